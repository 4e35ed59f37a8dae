"""Requests as JSON text. A graph that is sent again is not written again."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from service.graph_io.archgraph import ArchGraph
from service.kit.json_types import JsonObject
from service.kit.lru import LRU

_KEPT = 8


class Written(NamedTuple):
    """The document of a graph, and its JSON."""

    document: JsonObject
    text: str


# By the identity of a graph, which is kept beside its text, so that no other gets it.
_texts: LRU[int, tuple[ArchGraph, Written]] = LRU(_KEPT)
_lock = threading.Lock()


def written(graph: ArchGraph) -> Written:
    """The graph as the HTTP interface takes it. All callers share the document, and do not change it."""
    from service.graph_io.json_writer import graph_document

    with _lock:
        known = _texts.get(id(graph))
    if known is not None:
        return known[1]
    document = graph_document(graph)
    fresh = Written(document, to_json(document))
    with _lock:
        _texts.put(id(graph), (graph, fresh))
    return fresh


def to_json(document: Any) -> str:
    """In ASCII: half a character, which no other encoding has, is for the service to refuse."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def prediction_request(architecture: str, options: Mapping[str, Any]) -> bytes:
    """The body of a request for weights. architecture: JSON. options: at least one."""
    return f'{{"architecture":{architecture},{to_json(options)[1:]}'.encode()
