"""A reduction that drops its axes, and a reshape that puts them back, are a reduction that keeps them."""

from __future__ import annotations

from service.graph_io.lifting.linked import LinkedGraph, LinkedNode, Shape, integers

# Functions with the attributes `axes` and `keepdims`.
_REDUCTIONS = frozenset({"mean", "sum", "amax", "amin", "logsumexp"})


def keep_axes(graph: LinkedGraph) -> None:
    kept = [node for node in graph.nodes if node.op == "reshape" and _puts_back(node)]
    for node in kept:
        reduction = node.inputs[0]
        node.op, node.inputs = "unary", reduction.inputs
        node.attrs = {**reduction.attrs, "keepdims": True}
    if kept:
        graph.prune()


def _puts_back(node: LinkedNode) -> bool:
    """Whether a reshape puts back the axes that a reduction dropped."""
    reduction = node.inputs[0]
    return node.exact and node.shape is not None and _drops(reduction) and node.shape == _kept(reduction)


def _drops(node: LinkedNode) -> bool:
    known = node.op == "unary" and node.exact and node.attrs.get("kind") in _REDUCTIONS
    return known and not node.attrs.get("keepdims")


def _kept(node: LinkedNode) -> Shape:
    """The shape with the axes that a reduction drops. None if it is not known, or for all positions of
    features: to a GHN, a mean over these that keeps its axes is a pooling.
    """
    shape = node.inputs[0].shape
    if shape is None or None in shape:
        return None
    axes = {axis % len(shape) for axis in integers(node.attrs.get("axes"))}
    if len(shape) > 3 and axes == set(range(2, len(shape))):
        return None
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
