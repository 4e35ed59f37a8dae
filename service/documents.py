"""Architecture documents of any format, read under this service's limits."""

from __future__ import annotations

from typing import Any

from service.graph_io import read
from service.graph_io.archgraph import ArchGraph
from service.graph_limits import limits_of
from service.settings import Settings


def read_document(document: Any, settings: Settings, *, runnable: bool = False) -> ArchGraph:
    """An architecture of any format, as a worker reads it: ONNX files apart from this process where they
    could harm it, networks of torchvision built here. Raises what `service.graph_io.read` raises.

    runnable: for running the network.
    """
    return read.read_document(
        document, limits=limits_of(settings), isolate=True, torchvision=True, runnable=runnable
    )
