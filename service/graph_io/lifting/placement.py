"""A parameter that meets the features says its shape there only where it is not the parameter's own."""

from __future__ import annotations

from service.graph_io.lifting.linked import LinkedGraph, LinkedNode
from service.graph_io.lifting.relative import is_relative

# Features with positions: (N, C, H, W).
_POSITIONS_FROM = 4


def place_parameters(graph: LinkedGraph) -> None:
    for node in graph.nodes:
        if node.op == "position" and is_relative(node.params[0].name):
            node.op = "relative_position"
        if node.op == "bias" and node.params[0].numel == 1:
            # One number for all channels.
            node.op = "parameter"
        if node.op == "parameter" and node.attrs.get("kind") == "mul":
            # Its role says so, a gain.
            del node.attrs["kind"]
        if len(node.params) == 1 and node.attrs.get("shape") == node.params[0].shape and not _one_axis(node):
            del node.attrs["shape"]


def _one_axis(node: LinkedNode) -> bool:
    """Without a shape, a single axis beside features with positions is one number a channel."""
    features = node.inputs[0].shape if node.inputs else None
    return len(node.params[0].shape) == 1 and features is not None and len(features) >= _POSITIONS_FROM
