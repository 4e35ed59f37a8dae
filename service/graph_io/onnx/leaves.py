"""What is known of a tensor by itself: its shape, its name, where it is stored."""

from __future__ import annotations

from service.graph_io.onnx.draft import Shape
from service.graph_io.onnx.naming import is_constant_name
from service.graph_io.onnx.tensors import Leaf, Origin

STORED = (Origin.INITIALIZER, Origin.INPUT)


def is_buffer(leaf: Leaf) -> bool:
    if leaf.kind:
        return leaf.kind != "PARAMETER"
    return is_constant_name(leaf.name)


def is_vector(shape: Shape) -> bool:
    """At most one axis that is longer than 1: one number a channel."""
    return shape is not None and sum(dim != 1 for dim in shape) <= 1


def is_plain_number(leaf: Leaf) -> bool:
    """A single number that nobody trained, as far as its name and place tell: ReZero gains and temperatures
    have a module's name, the bias of a layer with one output has an axis.
    """
    if leaf.numel != 1 or leaf.kind == "PARAMETER":
        return False
    named = leaf.origin in STORED and leaf.named
    return not (named and (leaf.in_module or len(leaf.shape) == 1) and leaf.kind != "BUFFER")
