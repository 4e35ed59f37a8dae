"""A vector divided by its length, as exporters write torch's `normalize`."""

from __future__ import annotations

from service.graph_io.lifting.linked import LinkedGraph, LinkedNode, unexpanded


def find_unit_vectors(graph: LinkedGraph) -> None:
    """x / max(|x|, eps) becomes a unary of kind normalize."""
    quotients = [node for node in graph.nodes if node.attrs == {"kind": "div"} and len(node.inputs) == 2]
    for node in quotients:
        vector, least = node.inputs[0], unexpanded(node.inputs[1])
        length = least.inputs[0] if least.inputs else least
        if not _is(least, "clamp_min", {"min"}) or not _is(length, "norm", {"dim", "keepdim", "p"}):
            continue
        dim = length.attrs.get("dim")
        axes = dim if isinstance(dim, tuple) else (dim,)
        if length.inputs == [vector] and length.attrs.get("keepdim") is True and len(axes) == 1:
            node.op, node.inputs = "unary", [vector]
            node.attrs = {"kind": "normalize", "dim": axes[0], "eps": least.attrs.get("min")}
            node.attrs |= {"p": length.attrs["p"]} if "p" in length.attrs else {}
    if quotients:
        graph.prune()


def _is(node: LinkedNode, kind: str, names: set[str]) -> bool:
    """Whether a node is a function of that kind, with no arguments but those."""
    return node.op == "unary" and node.attrs.get("kind") == kind and node.attrs.keys() <= names | {"kind"}
