"""Linear layers: Gemm, MatMul and Einsum with a learned matrix, and products of what the network computed."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx.builder import Builder
from service.graph_io.onnx.draft import Draft, Shape
from service.graph_io.onnx.loose import add_parameters
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.values import ABSENT, Value
from service.graph_io.onnx.weighted import (
    are_stored,
    generic,
    layer,
    own_bias,
    own_weight,
    weight_leaves,
)


def gemm(build: Builder, op: Op, values: list[Value]) -> Draft:
    left, right = values[0], values[1]
    offset = values[2] if len(values) > 2 else ABSENT
    if right.fixed or not left.fixed:
        data, weight, order = left, right, (0, 1) if op.attrs.get("transB", 0) else (1, 0)
    else:
        data, weight, order = right, left, (1, 0) if op.attrs.get("transA", 0) else (0, 1)
    if weight.draft is not None:
        draft = build.add(op, "matmul", [build.source(data, op), weight.draft])
        return add_parameters(build, op, draft, offset)
    owned = own_weight(weight, order)
    if not owned:
        return add_parameters(build, op, build.add(op, "unary", [build.source(data, op)]), offset)
    if offset.draft is not None:
        draft = layer(build, op, "linear", build.source(data, op), owned, [])
        return build.add(op, "add", [draft, offset.draft], part="add")
    plain = data is left and not op.attrs.get("transA", 0)
    plain = plain and op.attrs.get("alpha", 1.0) == 1 and op.attrs.get("beta", 1.0) == 1
    # One number an output, and not one a row.
    along = offset is ABSENT or (offset.shape or (1,))[-1] == (right.shape or (0, 0))[order[0]]
    exact = plain and along and are_stored(weight, offset)
    return layer(build, op, "linear", build.source(data, op), owned, own_bias(offset), exact=exact)


def matmul(build: Builder, op: Op, values: list[Value], *, left: int = 0, right: int = 1) -> Draft:
    a, b = values[left], values[right]
    if a.draft is not None and b.draft is not None:
        return build.add(op, "matmul", [a.draft, b.draft], exact=op.type == "MatMul")
    # Two fixed operands: the right one is the layer's weight.
    data, weight = (a, b) if b.fixed else (b, a)
    source = build.source(data, op)
    rank = len(weight.shape or ())
    owned = own_weight(weight, _linear_order(rank, weight_right=b.fixed))
    if not owned:
        return build.add(op, "unary", [source])
    if rank < 2 or prod(dim or 2 for dim in (weight.shape or ())[:-2]) != 1:
        # A batch of matrices, or a vector: nothing that a linear layer is.
        return build.add(op, "parameter", [source], owned)
    if weight.leaf is None and len(weight.leaves) == 1:
        axes = _flattened_axes(owned[0].shape, weight.shape, weight_right=b.fixed)
        owned[0] = replace(owned[0], axes=axes)
    exact = op.type == "MatMul" and b.fixed and rank == 2 and are_stored(weight, ABSENT)
    return layer(build, op, "linear", source, owned, [], exact=exact)


def _linear_order(rank: int, *, weight_right: bool) -> tuple[int, ...]:
    """Axes of a weight (..., in, out) on the right, (..., out, in) on the left, as (out, in, ...)."""
    if rank < 2:
        return tuple(range(rank))
    return (rank - 1, rank - 2, *range(rank - 2)) if weight_right else (rank - 2, rank - 1, *range(rank - 2))


def _flattened_axes(stored: tuple[int, ...], used: Shape, *, weight_right: bool) -> tuple[int, ...] | None:
    """A stored (in, height, width, out) that is reshaped to (in * height * width, out) is (out, in, height,
    width).
    """
    rank = len(stored)
    if used is None or not weight_right or rank < 2:
        return None
    out = used[-1]
    return (rank - 1, *range(rank - 1)) if stored[-1] == out and stored[0] != out else None


def einsum(build: Builder, op: Op, values: list[Value]) -> Draft:
    drafts = [value.draft for value in values if value.draft is not None]
    fixed = [value for value in values if value.fixed and weight_leaves(value)]
    equation = str(op.attrs.get("equation", "")).replace(" ", "")
    if len(values) == 2 and len(drafts) == 2:
        attrs: dict[str, AttrValue] = {"kind": "einsum", "equation": equation}
        return build.add(op, "matmul", drafts, attrs=attrs, exact=True)
    if len(values) == 2 and len(fixed) == 1 and len(drafts) == 1:
        terms, _, result = equation.partition("->")
        letters = terms.split(",")
        weight = letters[values.index(fixed[0])] if len(letters) == 2 else ""
        outs = [place for place, letter in enumerate(weight) if letter in result]
        ins = [place for place, letter in enumerate(weight) if letter not in result]
        if len(weight) == 2 and len(outs) == 1 and len(ins) == 1:
            owned = own_weight(fixed[0], (outs[0], ins[0]))
            data = letters[1 - values.index(fixed[0])]
            along = data[-1] == weight[ins[0]] and result == data[:-1] + weight[outs[0]]
            exact = along and are_stored(fixed[0], ABSENT)
            return layer(build, op, "linear", drafts[0], owned, [], exact=exact)
    owned = [part for value in fixed for part in own_weight(value, ())]
    return generic(build, op, drafts, owned)
