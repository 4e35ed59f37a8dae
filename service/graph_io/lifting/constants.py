"""Fixed numbers are one node for the whole network: nothing in the graph tells one table from another."""

from __future__ import annotations

from service.graph_io.attributes import APPROXIMATE
from service.graph_io.lifting.linked import LinkedGraph, LinkedNode


def join_constants(graph: LinkedGraph) -> None:
    replacements: dict[LinkedNode, LinkedNode] = {}
    first: LinkedNode | None = None
    for node in graph.nodes:
        if node.op == "constant" and not node.params and not node.attrs.keys() - {APPROXIMATE}:
            node.shape = None
            first = first or node
            if node is not first:
                replacements[node] = first
    graph.replace(replacements)
