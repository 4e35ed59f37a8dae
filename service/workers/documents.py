"""Architecture documents of any format, read under this service's limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.graph_io.archgraph import ArchGraph
from service.graph_io.read import decode_onnx, read_architecture
from service.graph_limits import limits_of
from service.settings import Settings


def read_document(document: Any, settings: Settings) -> ArchGraph:
    """An architecture of any format, under this service's limits; ONNX files apart from this process where
    they could harm it.
    """
    limits = limits_of(settings)
    if isinstance(document, Mapping) and document.get("format") == "onnx":
        from service.graph_io.sandbox import read_onnx_isolated

        return read_onnx_isolated(decode_onnx(document.get("data"), limits=limits), limits)
    return read_architecture(document, limits=limits, torchvision=_torchvision)


def _torchvision(name: str, *, num_classes: int | None, image_size: int | None) -> ArchGraph:
    from service.graph_io.torch_tracer import trace_torchvision

    return trace_torchvision(name, num_classes=num_classes, image_size=image_size)
