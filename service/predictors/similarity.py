"""Many architectures as vectors, and the distances between them. One that cannot be read is set aside with
the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.contract.results import Comparison, Embeddings, SkippedArchitecture
from service.errors import ServiceError
from service.graph_io.archgraph import ArchGraph
from service.graph_io.entries import read_entry
from service.graph_io.node_assignment import assignment_cost
from service.graph_io.primitives import PrimitiveGraph, to_primitives
from service.models.catalog import ModelCard
from service.predictors.features.architectures import Reader
from service.predictors.rankers.ranking import Candidate, Report, skipped_entry
from service.predictors.rounding import significant
from service.stages import Stopwatch

_SIGNIFICANT = 7

Vectors = NDArray[np.float32]
# Of a model and of an architecture.
Key = tuple[str, bytes]


class Embedder(Protocol):
    """A GHN that is loaded (`service.ghn.registry.LoadedModel`)."""

    @property
    def card(self) -> ModelCard: ...

    def embed(self, graphs: Sequence[ArchGraph]) -> Vectors:
        """(graphs, width), float32."""


class Memory(Protocol):
    """Vectors of architectures that were embedded before."""

    def key(self, document: Any) -> Key: ...

    def get(self, key: Key) -> Vectors | None: ...

    def put(self, key: Key, vector: Vectors) -> None: ...


class NoMemory:
    """Remembers nothing."""

    def key(self, document: Any) -> Key:
        return "", b""

    def get(self, key: Key) -> None:
        return None

    def put(self, key: Key, vector: Vectors) -> None:
        pass


def embeddings(
    candidates: Iterable[Candidate], model: Embedder, read: Reader, *,
    watch: Stopwatch, memory: Memory = NoMemory(), report: Report = lambda done: None,
) -> Embeddings:  # fmt: skip
    """A vector for each architecture that can be read. report: called with the number of those that are done.

    watch: gets the stages parse and embed.
    """
    embedded = _embed(candidates, model, read, watch, memory, report)
    return Embeddings(
        model=model.card.name,
        width=int(embedded.vector_NW.shape[1]),
        embeddings=[[_rounded(value) for value in vector] for vector in embedded.vector_NW],
        indices=embedded.indices,
        skipped=embedded.skipped,
        timings_ms=watch.timings_ms(),
    )


def compared_by_embedding(
    candidates: Iterable[Candidate], model: Embedder, read: Reader, *,
    watch: Stopwatch, memory: Memory = NoMemory(), report: Report = lambda done: None,
) -> Comparison:  # fmt: skip
    """Euclidean distances between all pairs of embeddings (GHN-2 paper, appendix C.2.4).

    watch: gets the stages parse, embed and compare.
    """
    embedded = _embed(candidates, model, read, watch, memory, report)
    with watch.stage("compare"):
        wide = embedded.vector_NW.astype(np.float64)
        distances = [np.sqrt(((wide - vector) ** 2).sum(axis=1)) for vector in wide]
    return Comparison(
        model=model.card.name,
        distances=[[_rounded(value) for value in row] for row in distances],
        indices=embedded.indices,
        skipped=embedded.skipped,
        timings_ms=watch.timings_ms(),
    )


def compared_by_nodes(
    candidates: Iterable[Candidate], read: Reader, *,
    watch: Stopwatch, report: Report = lambda done: None,
) -> Comparison:  # fmt: skip
    """Costs of the best assignments between the nodes of all pairs (GHN-2 paper, appendix C.2.4).

    watch: gets the stages parse and compare.
    """
    by_index: dict[int, PrimitiveGraph] = {}
    skipped: list[SkippedArchitecture] = []
    with watch.stage("parse"):
        for done, candidate in enumerate(candidates, start=1):
            try:
                by_index[candidate.index] = to_primitives(read(read_entry(candidate.document).document))
            except ServiceError as error:
                skipped.append(skipped_entry(candidate, error))
            report(done)
    with watch.stage("compare"):
        distances = [
            [float(assignment_cost(one, other)) for other in by_index.values()] for one in by_index.values()
        ]
    return Comparison(
        model=None,
        distances=distances,
        indices=list(by_index),
        skipped=skipped,
        timings_ms=watch.timings_ms(),
    )


@dataclass(frozen=True, slots=True)
class _Embedded:
    """indices: of the candidates that could be read, rising. vector_NW: theirs, (networks, width)."""

    indices: list[int]
    vector_NW: Vectors
    skipped: list[SkippedArchitecture]


def _embed(
    candidates: Iterable[Candidate], model: Embedder, read: Reader,
    watch: Stopwatch, memory: Memory, report: Report,
) -> _Embedded:  # fmt: skip
    by_index: dict[int, Vectors] = {}
    skipped: list[SkippedArchitecture] = []
    left, done = iter(candidates), 0
    while True:
        with watch.stage("parse"):
            candidate = next(left, None)
        if candidate is None:
            break
        try:
            document = read_entry(candidate.document).document
            key = memory.key(document)
            vector = memory.get(key)
            if vector is None:
                with watch.stage("parse"):
                    graph = read(document)
                with watch.stage("embed"):
                    (vector,) = model.embed([graph])
                memory.put(key, vector)
            by_index[candidate.index] = vector
        except ServiceError as error:
            skipped.append(skipped_entry(candidate, error))
        done += 1
        report(done)
    indices = sorted(by_index)
    vector_NW = np.stack([by_index[index] for index in indices]) if indices else model.embed([])
    return _Embedded(indices, vector_NW, skipped)


def _rounded(value: Any) -> float:
    """To what float32 holds: shorter as text."""
    return significant(value, _SIGNIFICANT)
