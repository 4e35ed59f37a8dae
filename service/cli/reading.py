"""A SOURCE becomes a graph, in this process."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.cli.details import Details
from service.cli.modules import load_module, names_module

if TYPE_CHECKING:
    from service.graph_io.archgraph import ArchGraph


@dataclass(frozen=True, slots=True)
class Network:
    """source_onnx: the whole ONNX model or its file, where the source is one, for the `onnx` output."""

    graph: ArchGraph
    source_onnx: bytes | Path | None = None


def check_source(text: str) -> None:
    """Raises InvalidArchitecture for a torchvision name that is unknown, before torch is loaded."""
    from service.graph_io.torchvision_names import check_name

    form, colon, name = text.partition(":")
    if colon and form == "torchvision":
        check_name(name)


def read_network(text: str, details: Details = Details(), *, runnable: bool = False) -> Network:
    """Read what a SOURCE stands for. Raises ServiceError with a problem document if it cannot be read.

    runnable: for running the network.
    """
    document = details.document(text)
    if names_module(text):
        from service.graph_io.torch_tracer import trace

        return Network(trace(load_module(text), input_shape=details.input_shape, runnable=runnable))
    if document is not None:
        return Network(read_document(document, runnable=runnable))
    from service.graph_io.read import sniff
    from service.graph_io.sources import parse_source, read_outline
    from service.settings import get_settings

    source, most = parse_source(text), get_settings().max_body_bytes
    if source.path is None:
        data = sys.stdin.buffer.read()
    else:
        # A user's own file may hold gigabytes of weights, and none is needed.
        data = read_outline(source.path, larger_than=most)
    if sniff(data) == "json":
        return Network(read_document(data))
    outline = data
    if len(data) > most:
        from service.graph_io.onnx_strip import strip_onnx

        outline = strip_onnx(data)
    return Network(read_document(outline), data if source.path is None else source.path)


def read_document(document: Any, *, runnable: bool = False) -> ArchGraph:
    """A user's own architecture of any format, or the bytes of a file."""
    from service.documents import read_document as read
    from service.settings import get_settings

    return read(document, get_settings(), runnable=runnable, isolate=False)
