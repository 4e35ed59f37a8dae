"""Any architecture document to an ArchGraph, and what the command line calls a source to a document.

The tagged union of the interface, key `format`: onnx, graph, nasbench201, nasbench101, darts, smash,
torchvision. Readers are imported when they are needed: whoever sends graphs needs no ONNX library in
memory.
"""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from service.errors import InvalidArchitecture, InvalidInput, LimitExceeded
from service.graph_io.archgraph import ArchGraph
from service.graph_io.fields import Place, closest, kind_of, read_integer, read_object, read_text, shown
from service.graph_io.json_text import parse_json
from service.graph_io.limits import DEFAULT_LIMITS, GraphLimits

MAX_IMAGE_SIZE = 4096
MAX_CLASSES = 100_000


class TorchvisionBuilder(Protocol):
    """Builds a torchvision model by name; `torch_tracer.trace_torchvision` is one. Only where torch is."""

    def __call__(self, name: str, *, num_classes: int | None, image_size: int | None) -> ArchGraph: ...


def read_architecture(
    document: Mapping[str, Any],
    *,
    limits: GraphLimits = DEFAULT_LIMITS,
    torchvision: TorchvisionBuilder | None = None,
) -> ArchGraph:
    """Read an architecture of any format. An object without `format` but with `nodes` is a graph.

    torchvision: what builds the format `torchvision`; without it that format is refused.

    Raises InvalidInput, InvalidArchitecture, UnsupportedOperator or LimitExceeded, naming the field.
    """
    if not isinstance(document, Mapping):
        raise InvalidArchitecture(f"An architecture must be an object, not {kind_of(document)}.", field="")
    name = document.get("format", "graph" if "nodes" in document else None)
    if not isinstance(name, str) or name not in FORMATS:
        raise _unknown_format(name)
    if name == "torchvision":
        return _torchvision(document, torchvision)
    graph = _READERS[name](document, limits)
    _check_limits(graph, limits)
    return graph


def _unknown_format(name: Any) -> InvalidArchitecture:
    like = closest(name, FORMATS) if isinstance(name, str) else None
    sentence = "The architecture lacks its format." if name is None else f"There is no format {shown(name)}."
    suggestion = f"Did you mean {like!r}? " if like else ""
    return InvalidArchitecture(
        sentence, field="/format", hint=f"{suggestion}Give `format` as one of: {', '.join(FORMATS)}."
    )


def _graph(document: Mapping[str, Any], limits: GraphLimits) -> ArchGraph:
    from service.graph_io.json_reader import read_json_graph

    return read_json_graph(document, limits=limits)


def _onnx(document: Mapping[str, Any], limits: GraphLimits) -> ArchGraph:
    from service.graph_io.onnx_reader import read_onnx

    fields = read_object(document, Place(), required=("format", "data"), optional=("name",))
    return read_onnx(decode_onnx(fields["data"], limits=limits), limits=limits)


def decode_onnx(data: Any, *, limits: GraphLimits = DEFAULT_LIMITS) -> bytes:
    """The bytes of an ONNX file sent as base64 text inside JSON."""
    place = Place(("data",))
    text = read_text(data, place, max_length=limits.max_bytes * 4 // 3 + 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(
            "/data is not base64 text.", field="/data", hint="Encode the ONNX file as base64."
        ) from None


def _nasbench201(document: Mapping[str, Any], limits: GraphLimits) -> ArchGraph:
    from service.graph_io.cells.nasbench201 import read_nasbench201

    return read_nasbench201(document)


def _nasbench101(document: Mapping[str, Any], limits: GraphLimits) -> ArchGraph:
    from service.graph_io.cells.nasbench101 import read_nasbench101

    return read_nasbench101(document)


def _darts(document: Mapping[str, Any], limits: GraphLimits) -> ArchGraph:
    from service.graph_io.cells.darts import read_darts

    return read_darts(document)


def _smash(document: Mapping[str, Any], limits: GraphLimits) -> ArchGraph:
    from service.graph_io.cells.smash import read_smash

    return read_smash(document)


_READERS: dict[str, Callable[[Mapping[str, Any], GraphLimits], ArchGraph]] = {
    "onnx": _onnx,
    "graph": _graph,
    "nasbench201": _nasbench201,
    "nasbench101": _nasbench101,
    "darts": _darts,
    "smash": _smash,
}
FORMATS = (*_READERS, "torchvision")


def _torchvision(document: Mapping[str, Any], build: TorchvisionBuilder | None) -> ArchGraph:
    root = Place()
    fields = read_object(document, root, required=("format", "name"), optional=("num_classes", "image_size"))
    name = read_text(fields["name"], root / "name", max_length=100)
    num_classes, image_size = fields.get("num_classes"), fields.get("image_size")
    if num_classes is not None:
        num_classes = read_integer(num_classes, root / "num_classes", least=1, most=MAX_CLASSES)
    if image_size is not None:
        image_size = read_integer(image_size, root / "image_size", least=1, most=MAX_IMAGE_SIZE)
    if build is None:
        raise InvalidArchitecture(
            "Networks of torchvision are built where torch is installed, which is not here.",
            field="/format",
            hint="Trace the model and send its graph, or install the extra `models`.",
        )
    return build(name, num_classes=num_classes, image_size=image_size)


def _check_limits(graph: ArchGraph, limits: GraphLimits) -> None:
    """Formats that expand to a network are bounded by their own fields; what they expand to is bounded
    here.
    """
    if len(graph.nodes) > limits.max_nodes:
        raise LimitExceeded(
            f"The network has {len(graph.nodes):,} nodes, the limit is {limits.max_nodes:,}.",
            limit=limits.max_nodes,
            value=len(graph.nodes),
        )
    if graph.num_parameters > limits.max_parameters:
        raise LimitExceeded(
            f"The network has {graph.num_parameters:,} parameters, the limit is {limits.max_parameters:,}.",
            limit=limits.max_parameters,
            value=graph.num_parameters,
        )


@dataclass(frozen=True, slots=True)
class Source:
    """What a source of the command line stands for.

    name: for people and for naming the output. document: the architecture document; for an ONNX file without
    `data`.
    onnx: the bytes of the ONNX file, None for all else.
    """

    name: str
    document: Mapping[str, Any]
    onnx: bytes | None = None


def read_source(source: str, stdin: BinaryIO | None = None) -> Source:
    """Read a source: a .onnx or .json file, `torchvision:NAME`, `nasbench201:CELL`, or `-` for standard
    input.

    A JSON document is an architecture (it has `format`) or a bare graph (it has `nodes`). Builds and checks
    no network.

    Raises InvalidInput for a file that cannot be read, and for text that is no source.
    """
    scheme, separator, rest = source.partition(":")
    if separator and scheme == "torchvision":
        return Source(rest, {"format": "torchvision", "name": rest})
    if separator and scheme == "nasbench201":
        cell = rest.strip("\"'")
        return Source(cell, {"format": "nasbench201", "cell": cell})
    if source == "-":
        return _from_bytes((stdin or sys.stdin.buffer).read(), "stdin")
    path = Path(source)
    if path.suffix.lower() not in (".onnx", ".json"):
        raise InvalidInput(
            f"{shown(source)} is no source.",
            source=source[:200],
            hint="Give a .onnx or .json file, torchvision:NAME, nasbench201:CELL, or - for standard input.",
        )
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # a path with a null byte is a ValueError
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InvalidInput(f"{shown(source)} cannot be read: {reason}.", source=source[:200]) from error
    return _from_bytes(data, path.stem)


def _from_bytes(data: bytes, name: str) -> Source:
    # No ONNX file starts with a brace (as a protobuf tag it would be a group, which ONNX does not use).
    if data.lstrip()[:1] not in (b"{", b"["):
        if not data.strip():
            raise InvalidInput(f"{shown(name)} is empty.", source=name)
        return Source(name, {"format": "onnx", "name": name}, data)
    document = parse_json(data)
    if not isinstance(document, dict):
        raise InvalidInput(
            f"{shown(name)} holds {kind_of(document)}, where an architecture was expected.", source=name
        )
    if "format" not in document and "nodes" in document:
        document = {"format": "graph", **document}
    given = document.get("name")
    return Source(given if isinstance(given, str) and given else name, document)
