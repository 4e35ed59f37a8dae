"""Architecture documents of any format, read under this service's limits."""

from __future__ import annotations

from typing import Any

from service.graph_io import read
from service.graph_io.archgraph import ArchGraph
from service.graph_limits import limits_of
from service.settings import Settings


def read_document(
    document: Any, settings: Settings, *, runnable: bool = False, isolate: bool = True
) -> ArchGraph:
    """An architecture of any format, or the bytes of a file; networks of torchvision are built here. Raises
    what `service.graph_io.read` raises.

    runnable: for running the network. isolate: read what comes from elsewhere apart from this process, where
    it could harm it.
    """
    return read.read_document(
        document, limits=limits_of(settings), isolate=isolate, torchvision=True, runnable=runnable
    )
