"""The operations that own parameters: convolutions, linear layers, norms, recurrent layers, tables.

Each function turns one ONNX operation with known inputs into drafts and returns the draft that makes its
outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Protocol

from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx.draft import Draft, Owned, Shape
from service.graph_io.onnx.fixed import is_anonymous
from service.graph_io.onnx.flatten import Op
from service.graph_io.onnx.shapes import per_axis, spatial_pads
from service.graph_io.onnx.tensors import Leaf, Origin
from service.graph_io.onnx.trainable import is_buffer, is_plain_number, is_vector
from service.graph_io.onnx.values import ABSENT, Value


class Builder(Protocol):
    """What the functions here need of the translator."""

    def add(
        self,
        op: Op,
        kind: str,
        inputs: Sequence[Draft],
        owned: Sequence[Owned] = (),
        *,
        attrs: dict[str, AttrValue] | None = None,
        part: str = "",
        scalar: float | None = None,
        shape: Shape = None,
    ) -> Draft: ...

    def source(self, value: Value, op: Op) -> Draft: ...


def weight_leaves(value: Value) -> list[Leaf]:
    """The tensors behind a value in a place where only weights go, the largest first."""
    leaves = [leaf for leaf in value.leaves if (leaf.is_float or leaf.is_quantized) and not is_buffer(leaf)]
    # Scales and shifts of quantisation and the constants of a computed weight are single numbers; a weight
    # may be one too.
    several = [
        leaf for leaf in leaves if leaf.numel > 1 and not (leaf.origin is Origin.CONSTANT and len(leaves) > 1)
    ]
    chosen = several or (leaves if value.leaf is not None else [])
    return sorted(chosen, key=lambda leaf: -leaf.numel)


def stored_axes(value: Value, leaf: Leaf, order: Sequence[int]) -> tuple[int, ...] | None:
    """Permutation from the stored to the canonical layout; order: the value's axes in canonical order."""
    if value.leaf is not leaf or value.view is None or len(order) != len(value.view):
        return None
    axes = [value.view[axis] for axis in order if value.view[axis] >= 0]
    axes += [axis for axis in range(len(leaf.shape)) if axis not in axes]
    if sorted(axes) != list(range(len(leaf.shape))) or axes == list(range(len(leaf.shape))):
        return None
    return tuple(axes)


def own_weight(value: Value, order: Sequence[int]) -> list[Owned]:
    leaves = weight_leaves(value)
    # Beside the weight itself, tensors without a name of their own are numbers of the computation.
    leaves = leaves[:1] + [leaf for leaf in leaves[1:] if not is_anonymous(leaf.name)]
    owned = [
        Owned(leaf, "weight" if place == 0 else f"weight_{place}", None) for place, leaf in enumerate(leaves)
    ]
    if owned:
        owned[0].axes = stored_axes(value, leaves[0], order)
    return owned


def own_bias(value: Value) -> list[Owned]:
    leaves = weight_leaves(value)
    return [Owned(leaf, "bias" if place == 0 else f"bias_{place}") for place, leaf in enumerate(leaves)]


def convolution(
    build: Builder, op: Op, values: list[Value], *, data: int = 0, weight: int = 1, bias: int = 2
) -> Draft:
    transposed = op.type == "ConvTranspose"
    source, kernel = build.source(values[data], op), values[weight]
    offset = values[bias] if len(values) > bias else ABSENT
    extra = [
        value.draft
        for value in (kernel, offset, *values[4:5])
        if value.draft is not None and op.type != "QLinearConv"
    ]
    owned = own_weight(kernel, _convolution_order(kernel, transposed))
    if extra or not owned:
        # A kernel computed from the input, or one that nobody trained (blurring).
        rest = [*owned, *own_bias(offset)]
        kind = ("parameter" if rest else "merge") if extra else ("bias" if rest else "unary")
        return build.add(op, kind, [source, *extra], rest if kind != "bias" else rest[:1])
    leaf = owned[0].leaf
    rank = len(kernel.shape) - 2 if kernel.shape is not None else len(leaf.shape) - 2
    attrs, pads = _convolution_attributes(op, values[data].shape, kernel.shape, rank, transposed)
    if pads is not None:
        source = build.add(op, "pad", [source], part="pad", attrs={"mode": "constant", "pads": pads})
    return layer(
        build, op, "conv_transpose" if transposed else "conv", source, owned, own_bias(offset), attrs
    )


def layer(
    build: Builder,
    op: Op,
    name: str,
    source: Draft,
    weights: list[Owned],
    biases: list[Owned],
    attrs: dict[str, AttrValue] | None = None,
) -> Draft:
    """A convolution or linear layer, whichever the stored weight's rank allows, and nodes for what does not
    fit it.
    """
    main = weights[0]
    rank = len(main.leaf.shape)
    if rank == 2:
        name, attrs = "linear", None
    elif name == "linear":
        name, attrs = ("conv", {}) if 3 <= rank <= 5 else ("parameter", None)
    elif not 3 <= rank <= 5:
        name, attrs = "parameter", None
    axes = main.axes if main.axes is not None else tuple(range(rank))
    outputs = main.leaf.shape[axes[0]] if rank else 1
    fits = (
        len(biases) == 1
        and (biases[0].leaf.numel == outputs or name == "conv_transpose")
        and name != "parameter"
    )
    draft = build.add(op, name, [source], [main, *(biases if fits else [])], attrs=attrs)
    for place, owned in enumerate(weights[1:]):
        if is_vector(owned.leaf.shape):
            owned.role = "gain"
        draft = build.add(op, "parameter", [draft], [owned], part=f"weight_{place + 1}")
    for place, owned in enumerate([] if fits else biases):
        owned.role = "bias"
        draft = build.add(op, "bias", [draft], [owned], part=f"bias_{place}")
    return draft


def _convolution_order(kernel: Value, transposed: bool) -> tuple[int, ...]:
    rank = len(kernel.shape or ())
    order = tuple(range(rank))
    return (1, 0, *order[2:]) if transposed and rank >= 2 else order


def _convolution_attributes(
    op: Op, data: Shape, kernel: Shape, rank: int, transposed: bool
) -> tuple[dict[str, AttrValue], tuple[int, ...] | None]:
    """The attributes, and ONNX pads where they differ at both ends of an axis."""
    if rank < 1:
        return {}, None
    sizes = tuple(dim or 1 for dim in (kernel or ())[2:])
    if len(sizes) != rank:
        return {}, None
    size = data[2:] if data is not None and len(data) == rank + 2 else None
    begin, end = spatial_pads(op, rank, sizes, size)
    attrs: dict[str, AttrValue] = {
        "stride": per_axis(op, "strides", rank, 1),
        "padding": begin,
        "dilation": per_axis(op, "dilations", rank, 1),
        "groups": int(op.attrs.get("group", 1)),
    }
    if transposed:
        attrs["output_padding"] = per_axis(op, "output_padding", rank, 0)
        return attrs, None
    if begin == end:
        return attrs, None
    return {**attrs, "padding": (0,) * rank}, (0, 0, *begin, 0, 0, *end)


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
    return layer(build, op, "linear", build.source(data, op), owned, own_bias(offset))


def matmul(build: Builder, op: Op, values: list[Value], *, left: int = 0, right: int = 1) -> Draft:
    a, b = values[left], values[right]
    if a.draft is not None and b.draft is not None:
        return build.add(op, "matmul", [a.draft, b.draft])
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
    leaf = owned[0].leaf
    if weight.leaf is None and len(weight.leaves) == 1:
        owned[0].axes = _flattened_axes(leaf.shape, weight.shape, weight_right=b.fixed)
    return layer(build, op, "linear", source, owned, [])


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
    if len(values) == 2 and len(drafts) == 2:
        return build.add(op, "matmul", drafts)
    if len(values) == 2 and len(fixed) == 1 and len(drafts) == 1:
        terms, _, result = str(op.attrs.get("equation", "")).replace(" ", "").partition("->")
        letters = terms.split(",")
        weight = letters[values.index(fixed[0])] if len(letters) == 2 else ""
        outs = [place for place, letter in enumerate(weight) if letter in result]
        ins = [place for place, letter in enumerate(weight) if letter not in result]
        if len(weight) == 2 and len(outs) == 1 and len(ins) == 1:
            owned = own_weight(fixed[0], (outs[0], ins[0]))
            return layer(build, op, "linear", drafts[0], owned, [])
    owned = [own for value in fixed for own in own_weight(value, ())]
    return generic(build, op, drafts, owned)


def generic(build: Builder, op: Op, drafts: Sequence[Draft], owned: Sequence[Owned]) -> Draft:
    """An operation that we know nothing of, but what it reads."""
    for place, own in enumerate(owned):
        own.role = "weight" if place == 0 else f"weight_{place}"
    if owned:
        return build.add(op, "parameter", drafts, owned, attrs={"kind": op.type.lower()})
    return build.add(op, "unary" if len(drafts) == 1 else "merge", drafts, attrs={"kind": op.type.lower()})


def deformed(build: Builder, op: Op, values: list[Value]) -> Draft:
    """A convolution whose windows the network moves: it reads offsets besides its input."""
    drafts = [value.draft for value in values if value.draft is not None]
    owned = [own for value in (*values[1:2], *values[3:4]) for own in own_weight(value, ())]
    return generic(build, op, drafts, owned)


def norm(build: Builder, op: Op, values: list[Value], name: str) -> Draft:
    attrs: dict[str, AttrValue] = {"eps": round(float(op.attrs.get("epsilon", 1e-5)), 12)}
    if name in ("layer_norm", "rms_norm"):
        attrs["axis"] = int(op.attrs.get("axis", -1))
    if name == "group_norm":
        attrs["groups"] = int(op.attrs.get("num_groups", 1))
    owned: list[Owned] = []
    rest: list[Owned] = []
    for index, role in ((1, "weight"), (2, "bias")):
        if index >= len(values):
            continue
        leaves = [leaf for leaf in weight_leaves(values[index]) if not _constant_norm(leaf)]
        owned += [Owned(leaf, role, doubtful=leaf.origin is Origin.CONSTANT) for leaf in leaves[:1]]
        rest += [Owned(leaf, role) for leaf in leaves[1:]]
    draft = build.add(op, name, [build.source(values[0], op)], owned, attrs=attrs)
    for place, own in enumerate(rest):
        draft = build.add(op, "parameter", [draft], [own], part=f"extra_{place}")
    return draft


def _constant_norm(leaf: Leaf) -> bool:
    """A norm without learned parameters is exported with ones and zeros of no name."""
    return is_anonymous(leaf.name) and leaf.is_uniform()


def elementwise_leaves(value: Value) -> list[Leaf]:
    """The tensors that may be parameters in a sum or product."""
    return [leaf for leaf in weight_leaves(value) if leaf.is_float and not is_plain_number(leaf)]


def add_parameters(build: Builder, op: Op, draft: Draft, value: Value, kind: str = "Add") -> Draft:
    """x + value or x * value for a value that nothing computes."""
    scalar = value.scalar()
    leaves = elementwise_leaves(value)
    if not leaves:
        if value is ABSENT:
            return draft
        return build.add(
            op, "unary", [draft], part="constant", scalar=float("nan") if scalar is None else scalar
        )
    for place, leaf in enumerate(leaves):
        shape = (
            value.shape
            if len(leaves) == 1 and value.shape is not None and None not in value.shape
            else leaf.shape
        )
        draft = _elementwise_parameter(build, op, draft, leaf, kind, shape, value, place)
        if len(leaves) == 1:
            draft.scalar = scalar
    return draft


def _elementwise_parameter(
    build: Builder, op: Op, draft: Draft, leaf: Leaf, kind: str, shape: Shape, value: Value, place: int
) -> Draft:
    part = "" if place == 0 else f"parameter_{place}"
    vector = is_vector(shape) or len(leaf.shape) < 2
    if kind in ("Add", "Sum") and vector:
        name, role = "bias", "bias"
    elif kind in ("Add", "Sum"):
        name, role = "position", "weight"
    elif kind == "Mul" and vector:
        name, role = "layer_scale", "weight"
    else:
        name, role = "parameter", "gain" if kind == "Mul" else "weight"
    owned = Owned(leaf, role, doubtful=True, shape=shape)
    attrs: dict[str, AttrValue] = {"kind": kind.lower()} if name == "parameter" else {}
    return build.add(op, name, [draft], [owned], part=part, attrs=attrs)


def prelu(build: Builder, op: Op, values: list[Value]) -> Draft:
    owned = [Owned(leaf, "slope") for leaf in weight_leaves(values[1])[:1]]
    source = build.source(values[0], op)
    if not owned:
        return build.add(op, "activation", [source], attrs={"kind": "leaky_relu"})
    return build.add(op, "parameter", [source], owned, attrs={"kind": "prelu"})


_RECURRENT_ROLES = {
    1: "weight",
    2: "recurrent_weight",
    3: "bias",
    5: "initial_h",
    6: "initial_c",
    7: "peephole",
}


def recurrent(build: Builder, op: Op, values: list[Value]) -> Draft:
    drafts = [build.source(values[0], op)]
    owned: list[Owned] = []
    for index, value in enumerate(values[1:], start=1):
        if value.draft is not None:
            drafts.append(value.draft)
            continue
        role = _RECURRENT_ROLES.get(index)
        leaves = weight_leaves(value) if role else []
        if index in (5, 6):
            # Exporters make up the zeros they start from; a learned first state is stored in the file.
            leaves = [leaf for leaf in leaves if leaf.origin in (Origin.INITIALIZER, Origin.INPUT)]
        owned += [Owned(leaf, f"{role}_{place}" if place else str(role)) for place, leaf in enumerate(leaves)]
    attrs: dict[str, AttrValue] = {
        "kind": op.type.lower(),
        "hidden_size": int(op.attrs.get("hidden_size", 0)),
        "direction": str(op.attrs.get("direction", "forward")),
    }
    return build.add(op, "recurrent", drafts, owned, attrs=attrs)


def gather(build: Builder, op: Op, values: list[Value]) -> Draft:
    table, index = values[0], values[1]
    if table.draft is not None:
        drafts = [value.draft for value in values if value.draft is not None]
        return (
            build.add(op, "merge", drafts)
            if len(drafts) > 1
            else build.add(op, "slice", drafts, attrs={"kind": "gather"})
        )
    source = build.source(index, op)
    leaves = [leaf for leaf in weight_leaves(table) if leaf.numel > 1]
    if len(leaves) == 1 and len(leaves[0].shape) >= 2:
        return build.add(op, "embedding", [source], [Owned(leaves[0], "weight")])
    return generic(build, op, [source], [Owned(leaf, "weight", doubtful=True) for leaf in leaves])


def concat(build: Builder, op: Op, values: list[Value]) -> Draft:
    sources: list[Draft] = []
    for place, value in enumerate(values):
        if value.draft is not None:
            sources.append(value.draft)
            continue
        for number, leaf in enumerate(weight_leaves(value)):
            owned = Owned(leaf, "weight", doubtful=True, shape=value.shape)
            sources.append(build.add(op, "class_token", [], [owned], part=f"token_{place}_{number}"))
    axis = int(op.attrs.get("axis", 1))
    if all(draft.kind == "Unsqueeze" and draft.attrs.get("axes") == (axis,) for draft in sources):
        # A new axis for the branches: nothing is joined along channels.
        return build.add(op, "merge", sources, attrs={"kind": "stack", "axis": axis})
    return build.add(op, "concat", sources, attrs={"axis": axis})
