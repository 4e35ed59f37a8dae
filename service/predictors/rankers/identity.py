"""Which architectures are one network, whatever they are called and in whatever order they are written.

The same network measured twice says how much measurements differ, nothing about other networks: what is held
out to judge a predictor must not be among what it learned from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from service.graph_io.archgraph import ArchGraph, Parameter
from service.graph_io.cells import nasbench101, nasbench201
from service.graph_io.cells import nasbench101_isomorphism as isomorphism101
from service.graph_io.cells import nasbench201_isomorphism as isomorphism201
from service.graph_io.digest import graph_digest
from service.graph_io.read import format_of


def cell_identity(document: Mapping[str, Any]) -> str:
    """A text, equal for two cells of a benchmark exactly if they are one network with the same options.

    Raises InvalidArchitecture for a cell that cannot be read, KeyError for other formats.
    """
    form = format_of(document)
    fields, canonical = _CELLS[form]
    others = {key: value for key, value in document.items() if key not in (*fields, "name")}
    return json.dumps([canonical(document), others], sort_keys=True, default=str)


def graph_identity(graph: ArchGraph) -> str:
    """The digest of the network with its parameters unnamed: exporters call them what they like."""
    nodes = tuple(replace(node, params=_unnamed(node.params)) for node in graph.nodes)
    return graph_digest(replace(graph, nodes=nodes, unattached=()))


def _unnamed(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    return tuple(replace(parameter, name="") for parameter in parameters)


def _canonical_201(document: Mapping[str, Any]) -> Any:
    return isomorphism201.canonical(nasbench201.parse_cell(document["cell"]))


def _canonical_101(document: Mapping[str, Any]) -> Any:
    pruned = nasbench101.prune(nasbench101.parse_cell(document["matrix"], document["ops"]))
    if pruned is None:
        return None
    cell = isomorphism101.canonical(pruned)
    return [cell.matrix, cell.ops]


_CELLS = {
    "nasbench201": (("cell",), _canonical_201),
    "nasbench101": (("matrix", "ops"), _canonical_101),
}
