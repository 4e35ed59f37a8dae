"""A SOURCE becomes a graph, in this process."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.graph_io.archgraph import ArchGraph


@dataclass(frozen=True, slots=True)
class Network:
    """source_onnx: the whole ONNX model, where the source is one: the `onnx` output fills it in."""

    graph: ArchGraph
    source_onnx: bytes | None = None


def read_network(source: str) -> Network:
    """Read a source. Raises ServiceError with a problem document for what cannot be read."""
    from service.graph_io.read import read_source

    found = read_source(source, sys.stdin.buffer)
    if found.onnx is None:
        return Network(read_document(found.document))
    from service.graph_io.limits import DEFAULT_LIMITS
    from service.graph_io.onnx_reader import read_onnx

    # The limit is meant for graphs; a user's own file may hold gigabytes of weights, which are not needed.
    graph = read_onnx(found.onnx if len(found.onnx) <= DEFAULT_LIMITS.max_bytes else _stripped(found.onnx))
    return Network(graph, found.onnx)


def _stripped(data: bytes) -> bytes:
    from service.graph_io.onnx_strip import strip_onnx

    return strip_onnx(data)


def read_document(document: Any) -> ArchGraph:
    """An architecture object of any format; torchvision networks are built here."""
    from service.graph_io.read import read_architecture

    return read_architecture(document, torchvision=torchvision_graph)


def torchvision_graph(
    name: str, *, num_classes: int | None = None, image_size: int | None = None
) -> ArchGraph:
    """A network of torchvision, built and traced here."""
    from service.graph_io.torch_tracer import trace_torchvision

    return trace_torchvision(name, num_classes=num_classes, image_size=image_size)
