"""Axes are counted from the front, and the last one is -1 to the operators that have it by default."""

from __future__ import annotations

from service.graph_io.archgraph import Node
from service.graph_io.lifting.linked import LinkedGraph
from service.graph_io.node_attributes import rows_of

_NAMES = ("axis", "dim")


def count_axes(graph: LinkedGraph) -> None:
    for node in graph.nodes:
        shape = node.inputs[0].shape if node.inputs else None
        if shape is None or node.attrs.keys().isdisjoint(_NAMES):
            continue
        rank = len(shape) + (node.attrs.get("kind") == "stack")
        rows = rows_of(Node(node.name, node.op, ("",) * len(node.inputs), (), node.attrs)) or {}
        for name in _NAMES:
            row, value = rows.get(name), node.attrs.get(name)
            if row is not None and isinstance(value, int) and -rank <= value < rank:
                last = row.default == -1 and value % rank == rank - 1
                node.attrs[name] = -1 if last else value % rank
