"""Nodes that change nothing at evaluation are left out: dropout, joins of one tensor, factors of 1, and
expansions to the same shape.
"""

from __future__ import annotations

from service.graph_io.attributes import APPROXIMATE
from service.graph_io.lifting.linked import LinkedGraph, LinkedNode

_NOTHING = frozenset({"identity", "dropout"})
_OF_ONE = frozenset({"add", "mul", "concat"})
_NEUTRAL = {"mul": 1, "div": 1, "add": 0, "sub": 0}


def drop_identities(graph: LinkedGraph) -> None:
    replacements: dict[LinkedNode, LinkedNode] = {}
    for node in graph.nodes:
        if _changes_nothing(node):
            replacements[node] = replacements.get(node.inputs[0], node.inputs[0])
    graph.replace(replacements)


def _changes_nothing(node: LinkedNode) -> bool:
    if APPROXIMATE in node.attrs:
        return False
    if node.op in _NOTHING or (node.op in _OF_ONE and len(node.inputs) == 1):
        return True
    kind, value = node.attrs.get("kind"), node.attrs.get("value")
    if kind == "expand" and node.shape is not None and None not in node.shape:
        return node.shape == node.inputs[0].shape
    if node.op != "unary" or node.attrs.get("reversed") or value is None:
        return False
    return _NEUTRAL.get(str(kind)) == value
