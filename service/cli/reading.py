"""A SOURCE becomes a graph, in this process."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.cli.modules import load_module, names_module

if TYPE_CHECKING:
    from service.graph_io.archgraph import ArchGraph
    from service.graph_io.limits import GraphLimits


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


def read_network(text: str, *, runnable: bool = False, input_shape: tuple[int, ...] | None = None) -> Network:
    """Read what a SOURCE stands for. Raises ServiceError with a problem document if it cannot be read.

    runnable: for running the network. input_shape: of a network in code, without the batch axis; guessed from
    its first layers if not given.
    """
    if names_module(text):
        from service.graph_io.torch_tracer import trace

        return Network(trace(load_module(text), input_shape=input_shape, runnable=runnable))
    from service.graph_io.read import sniff
    from service.graph_io.sources import parse_source, read_outline

    source = parse_source(text)
    if source.document is not None:
        return Network(read_document(source.document, runnable=runnable))
    if source.path is None:
        data = sys.stdin.buffer.read()
    else:
        # A user's own file may hold gigabytes of weights, and none is needed.
        data = read_outline(source.path, larger_than=_limits().max_bytes)
    if sniff(data) == "json":
        return Network(read_document(data))
    return Network(read_document(_within_limits(data)), data if source.path is None else source.path)


def _within_limits(data: bytes) -> bytes:
    """The model, without its weights if it is larger than a graph may be."""
    if len(data) <= _limits().max_bytes:
        return data
    from service.graph_io.onnx_strip import strip_onnx

    return strip_onnx(data)


def read_document(document: Any, *, runnable: bool = False) -> ArchGraph:
    """An architecture object of any format, or the bytes of a file; torchvision networks are built here."""
    from service.graph_io import read

    return read.read_document(document, limits=_limits(), torchvision=True, runnable=runnable)


def _limits() -> GraphLimits:
    """Those of the settings, as for every other door."""
    from service.graph_limits import limits_of
    from service.settings import get_settings

    return limits_of(get_settings())
