"""Operations whose inputs are all fixed before the network sees its input: what they make of constants and
parameters.
"""

from __future__ import annotations

from dataclasses import replace

from service.graph_io.onnx.draft import Shape
from service.graph_io.onnx.naming import is_made_up
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.row import Fact, Signal
from service.graph_io.onnx.shapes import squeeze_axes
from service.graph_io.onnx.table import infer, row_of
from service.graph_io.onnx.tensors import REAL_TYPES, Leaf, Origin
from service.graph_io.onnx.values import Value, merged_leaves


def evaluate(op: Op, inputs: list[Value]) -> Value:
    """The first output of an operation on fixed inputs."""
    row = row_of(op.type)
    const = None if row.fold is None else row.fold(op, inputs)
    shape = const.shape if const is not None else infer(op, inputs)
    if row.signal is Signal.NONE or not inputs:
        return Value(shape=shape, const=const)
    for one, other in (inputs, inputs[::-1]) if op.type == "Mul" else ():
        if _is_one(one) and other.shape == shape and other.leaves:
            # torch's addcmul, with its usual factor.
            return other
    leaves = merged_leaves(row.carriers(inputs))
    if op.type.startswith("Scatter"):
        # Masks are built by writing into zeros; a table that someone learned has a name.
        leaves = tuple(leaf for leaf in leaves if leaf.named)
    view = _view(op, inputs, shape, leaves)
    same = Fact.SAME_NUMBERS in row.facts or (op.type == "Expand" and view is not None)
    exact = not leaves or (same and _is_real(op) and inputs[0].exact)
    if op.type == "Expand" and view is None and _repeats_batch(inputs[0], shape):
        # Whatever reads it repeats it as well.
        return replace(inputs[0], const=None)
    return Value(shape=shape, const=const, leaves=leaves, view=view, exact=exact)


def _is_one(value: Value) -> bool:
    """Whether it is the number 1, which nobody learned."""
    return value.scalar() == 1 and all(leaf.origin is Origin.CONSTANT for leaf in value.leaves)


def _is_real(op: Op) -> bool:
    """Whether a cast leaves real numbers real."""
    return op.type != "Cast" or op.attrs.get("to") in REAL_TYPES


def _repeats_batch(value: Value, shape: Shape) -> bool:
    before = value.shape
    return (
        value.leaf is not None
        and before is not None
        and shape is not None
        and len(shape) == len(before) > 1
        and before[0] == 1
        and shape[1:] == before[1:]
    )


def _view(op: Op, inputs: list[Value], shape: Shape, leaves: tuple[Leaf, ...]) -> tuple[int, ...] | None:
    view = inputs[0].view
    if view is None or len(leaves) != 1 or inputs[0].leaves != leaves:
        return None
    if Fact.SAME_AXES in row_of(op.type).facts:
        return view
    if op.type == "Transpose":
        perm = op.attrs.get("perm") or tuple(range(len(view)))[::-1]
        return tuple(view[axis] for axis in perm) if sorted(perm) == list(range(len(view))) else None
    if op.type == "Unsqueeze":
        axes = squeeze_axes(op, inputs)
        if axes is None or shape is None:
            return None
        added, rest = {axis % len(shape) for axis in axes}, iter(view)
        return tuple(-1 if axis in added else next(rest) for axis in range(len(shape)))
    if op.type in ("Squeeze", "Reshape", "Flatten", "Expand"):
        return _matched(inputs[0].shape, view, shape)
    return None


def _matched(before: Shape, view: tuple[int, ...], after: Shape) -> tuple[int, ...] | None:
    """The view behind a reshape that only adds or drops axes of size 1."""
    if before is None or after is None or None in before or None in after:
        return None
    long = [(axis, dim) for axis, dim in zip(view, before, strict=True) if dim != 1]
    if [dim for _, dim in long] != [dim for dim in after if dim != 1]:
        return None
    rest = iter(axis for axis, _ in long)
    return tuple(next(rest) if dim != 1 else -1 for dim in after)


def renamed(value: Value, name: str) -> Value:
    """The value behind an Identity. Exporters merge equal tensors and put an Identity where the other name
    was: the name behind it is a parameter of its own.
    """
    leaf = value.leaf
    if leaf is None or value.view != tuple(range(len(leaf.shape))) or (is_made_up(name) and leaf.named):
        return value
    own = replace(leaf, name=name, named=not is_made_up(name))
    return replace(value, leaves=(own,))
