"""Squeeze and excite: features times a factor a channel that learned layers made."""

from __future__ import annotations

from math import prod

from service.graph_io.lifting.linked import LinkedGraph, LinkedNode, unexpanded

_EXCITES = frozenset({"conv", "linear"})
# A bias, a sigmoid, a reshape, a split between the last layer and the product.
_REACH = 10


def find_gates(graph: LinkedGraph) -> None:
    """The product becomes a channel_gate that reads features, gate."""
    products = [node for node in graph.nodes if node.op == "mul" and len(node.inputs) == 2]
    if not products:
        return
    live = graph.live()
    for node in products:
        if not live.issuperset(node.inputs):
            continue
        for features, factor in (node.inputs, node.inputs[::-1]):
            gate = unexpanded(factor)
            if _fits(_sizes(features), _sizes(gate)) and _is_excitation(gate, live):
                node.op, node.inputs = "channel_gate", [features, gate]
                break
    graph.prune()


def _sizes(node: LinkedNode) -> tuple[int, ...]:
    """Of the axes; none if one of them is not known."""
    sizes = tuple(size or 0 for size in node.shape or ())
    return () if 0 in sizes else sizes


def _fits(features: tuple[int, ...], gate: tuple[int, ...]) -> bool:
    """One factor a channel for features over two or more spatial axes, channels first or last."""
    if len(features) < 4 or len(gate) != len(features) or features == gate:
        return False
    if gate[-2:] == (1, 1) and features[-2:] != (1, 1):
        return gate[:-2] == features[:-2] and gate[-3] > 1
    if gate[-3:-1] == (1, 1) and features[-3:-1] != (1, 1):
        return gate[:-3] == features[:-3] and gate[-1] == features[-1] > 1
    return False


def _is_excitation(gate: LinkedNode, live: set[LinkedNode]) -> bool:
    """Whether a layer made the factors, other than, say, the norms of the channels."""
    for _ in range(_REACH):
        # A part of what a layer made counts; features that were not squeezed do not.
        if gate.op in _EXCITES:
            return True
        sources = [source for source in gate.inputs if source in live]
        if len(sources) != 1 or (gate.op != "slice" and prod(_sizes(sources[0])) > prod(_sizes(gate))):
            return False
        gate = sources[0]
    return False
