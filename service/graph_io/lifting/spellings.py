"""Functions that go by several names are called by one of them, with the same attributes."""

from __future__ import annotations

from service.graph_io.archgraph import AttrValue
from service.graph_io.lifting.linked import LinkedGraph, LinkedNode
from service.graph_io.lifting.regions import only_reader


def spell_functions(graph: LinkedGraph) -> None:
    """A square is a power of 2, 1 / sqrt(x) a rsqrt, and a clamp is called as ONNX's Clip is."""
    reciprocals: list[LinkedNode] = []
    for node in graph.nodes:
        if node.op != "unary" or not node.exact:
            continue
        kind = node.attrs.get("kind")
        if kind == "square":
            node.attrs = {"kind": "pow", "value": 2.0}
        elif kind == "clamp":
            _spell_clamp(node)
        elif kind == "reciprocal":
            reciprocals.append(node)
    if reciprocals:
        _join_roots(graph, reciprocals)


def _join_roots(graph: LinkedGraph, reciprocals: list[LinkedNode]) -> None:
    readers = graph.readers()
    for node in reciprocals:
        root = node.inputs[0]
        if root.op == "unary" and root.attrs == {"kind": "sqrt"} and only_reader(readers, root) is node:
            node.inputs, node.attrs = root.inputs, {"kind": "rsqrt"}
    graph.prune()


def _spell_clamp(node: LinkedNode) -> None:
    low, high = node.attrs.get("min"), node.attrs.get("max")
    if low is not None and high is not None:
        node.op = "activation"
        limits: dict[str, AttrValue] = {"kind": "hardtanh", "min_val": low, "max_val": high}
        node.attrs = {"kind": "relu6"} if (low, high) == (0, 6) else limits
    elif low is not None:
        node.attrs = {"kind": "clamp_min", "min": low}
    elif high is not None:
        node.attrs = {"kind": "clamp_max", "max": high}
