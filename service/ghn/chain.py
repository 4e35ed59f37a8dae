"""A network as a chain of modules, one a cell (GHN-1 paper, section 2, "Architectural Motifs")."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from service.graph_io.primitives import PrimitiveGraph


def modules_of(graph: PrimitiveGraph) -> NDArray[np.int64]:
    """For every node the number of its module, from 0 and without gaps.

    A cell is a module. What stands outside the cells (stem, layers between them, head) belongs to a module of
    its own behind the last cell that leads to it. A network without cells is one module.
    """
    keys: list[int] = []
    last_cell: list[int] = []  # among a node and all that leads to it
    for cell, sources in zip(graph.cells, graph.predecessors, strict=True):
        before = max((last_cell[source] for source in sources), default=-1)
        last_cell.append(max(before, cell))
        keys.append(2 * cell + 1 if cell >= 0 else 2 * (before + 1))
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def module_graph(graph: PrimitiveGraph, nodes: NDArray[np.int64]) -> PrimitiveGraph:
    """These nodes, ascending, as a graph of their own: only edges among them."""
    place = {int(node): index for index, node in enumerate(nodes)}
    return replace(
        graph,
        primitive_N=graph.primitive_N[nodes],
        shapes=tuple(graph.shapes[node] for node in nodes),
        predecessors=tuple(
            tuple(place[source] for source in graph.predecessors[node] if source in place) for node in nodes
        ),
        names=tuple(graph.names[node] for node in nodes),
        cells=tuple(graph.cells[node] for node in nodes),
        targets=(),
    )
