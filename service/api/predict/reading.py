"""From a submission to a checked graph, away from the event loop and never more than a few at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

from service.api.predict.keys import reference_digest
from service.api.predict.parsing import Submission
from service.errors import ServiceError
from service.graph_io.archgraph import ArchGraph
from service.graph_io.digest import graph_digest
from service.graph_io.json_writer import graph_document
from service.graph_io.limits import GraphLimits
from service.graph_io.read import format_of, onnx_data, read_document, read_torchvision
from service.kit.json_types import JsonObject
from service.store.artifacts import ArtifactStore

Result = TypeVar("Result")

CONCURRENT_READS = 2
"""Reading is CPU work: more at once would only make each slower and hold more memory."""


@dataclass(frozen=True, slots=True)
class ReadArchitecture:
    """An architecture that was understood.

    digest: of the graph, or of the reference. name: what the document calls it. graph: None for a torchvision
    reference, which the worker builds (`torchvision` holds its arguments). onnx, onnx_sha256: the user's
    file, where there is one.
    """

    digest: str
    name: str = ""
    graph: ArchGraph | None = None
    torchvision: JsonObject | None = None
    onnx: bytes | None = None
    onnx_sha256: str | None = None

    def store_graph(self, artifacts: ArtifactStore) -> str | None:
        """Store the graph for the worker; its name, None where there is none. Blocking."""
        if self.graph is None:
            return None
        text = _text(replace(self.graph, program=None, sample=None))
        return artifacts.put_bytes(self.graph_name, text).name

    def store_runnable(self, artifacts: ArtifactStore) -> str | None:
        """Store the graph, with its program, for a worker that runs it; as `store_graph`. Blocking."""
        if self.graph is None or (self.graph.program is None and self.graph.sample is None):
            return self.store_graph(artifacts)
        # Two networks with equal graphs may have different programs.
        text = _text(self.graph)
        return artifacts.put_bytes(f"{hashlib.sha256(text).hexdigest()}.runnable.json", text).name

    @property
    def graph_name(self) -> str:
        """Name under which its graph is stored."""
        return f"{self.digest}.graph.json"

    def store_source(self, artifacts: ArtifactStore) -> str | None:
        """Store the user's file for the worker; its name, None where there is none. Blocking."""
        if self.onnx is None:
            return None
        return artifacts.put_bytes(f"{self.onnx_sha256}.source.onnx", self.onnx).name


class ArchitectureReader:
    """Reads submissions with a bound on how many are read at once."""

    def __init__(self, limits: GraphLimits) -> None:
        self._limits = limits
        self._slots: anyio.CapacityLimiter | None = None

    async def read(self, submission: Submission) -> ReadArchitecture:
        """Raises the readers' errors; their `field` points from the root of what was sent."""
        try:
            if submission.onnx is not None:
                return await self._in_thread(partial(_read_file, submission.onnx, self._limits))
            architecture = submission.architecture
            if architecture is None:
                architecture = await self._in_thread(partial(submission.document, self._limits))
            return await self.read_document(architecture)
        except ServiceError as error:
            if submission.place:
                error.place_in(*submission.place)
            raise

    async def read_document(self, architecture: JsonObject) -> ReadArchitecture:
        """An architecture object of any format. Errors as `read`."""
        if format_of(architecture) == "torchvision":
            reference = read_torchvision(architecture)
            fields = asdict(reference).items()
            arguments = {name: value for name, value in fields if name != "format" and value is not None}
            return ReadArchitecture(reference_digest(reference), reference.name, torchvision=arguments)
        return await self._in_thread(partial(_read_document, architecture, self._limits))

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        if self._slots is None:
            self._slots = anyio.CapacityLimiter(CONCURRENT_READS)
        return await anyio.to_thread.run_sync(work, limiter=self._slots)


def _read_file(data: bytes, limits: GraphLimits) -> ReadArchitecture:
    return _understood(read_document(data, limits=limits, isolate=True), onnx=data)


def _read_document(architecture: JsonObject, limits: GraphLimits) -> ReadArchitecture:
    graph = read_document(architecture, limits=limits, isolate=True)
    is_onnx = format_of(architecture) == "onnx"
    return _understood(graph, onnx=onnx_data(architecture, limits=limits) if is_onnx else None)


def _understood(graph: ArchGraph, onnx: bytes | None = None) -> ReadArchitecture:
    return ReadArchitecture(
        graph_digest(graph),
        graph.name,
        graph=graph,
        onnx=onnx,
        onnx_sha256=hashlib.sha256(onnx).hexdigest() if onnx is not None else None,
    )


def _text(graph: ArchGraph) -> bytes:
    return json.dumps(graph_document(graph), separators=(",", ":"), allow_nan=False).encode()
