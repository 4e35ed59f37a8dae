"""The operations that own parameters: convolutions, norms, recurrent layers, and what others need of them.

Each function turns one ONNX operation with known inputs into drafts and returns the draft that makes its
outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from service.graph_io.archgraph import AttrValue
from service.graph_io.attributes import APPROXIMATE
from service.graph_io.onnx.builder import Builder
from service.graph_io.onnx.draft import Draft, Owned, Shape, own
from service.graph_io.onnx.exact.rules import rounded
from service.graph_io.onnx.leaves import is_buffer, is_vector
from service.graph_io.onnx.naming import is_operator_name
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.shapes import per_axis, spatial_pads
from service.graph_io.onnx.tensors import Leaf, Origin
from service.graph_io.onnx.values import ABSENT, Value


def weight_leaves(value: Value) -> list[Leaf]:
    """The tensors behind a value in a place where only weights go, the largest first."""
    leaves = [leaf for leaf in value.leaves if (leaf.is_float or leaf.is_quantized) and not is_buffer(leaf)]
    # Scales and shifts of quantisation and the constants of a computed weight are single numbers; a weight
    # may be one too.
    several = [leaf for leaf in leaves if leaf.numel > 1]
    # Constants beside a stored tensor are numbers of the computation; alone, the weight is joined from them.
    stored = [leaf for leaf in several if leaf.origin is not Origin.CONSTANT]
    chosen = stored or several or (leaves if value.leaf is not None else [])
    return sorted(chosen, key=lambda leaf: (-leaf.numel, not leaf.named))


def stored_axes(value: Value, leaf: Leaf, order: Sequence[int]) -> tuple[int, ...] | None:
    """Permutation from the stored to the canonical layout; order: the value's axes in canonical order."""
    if value.leaf is not leaf or value.view is None or len(order) != len(value.view):
        return None
    axes = [value.view[axis] for axis in order if value.view[axis] >= 0]
    axes += [axis for axis in range(len(leaf.shape)) if axis not in axes]
    if sorted(axes) != list(range(len(leaf.shape))) or axes == list(range(len(leaf.shape))):
        return None
    return tuple(axes)


def placement(value: Value) -> tuple[dict[str, AttrValue], bool]:
    """The attributes of a parameter that meets the features as it is, and whether that is all there is to
    it.
    """
    exact = value.as_stored is not None and value.in_order and value.shape is not None
    return ({"shape": tuple(int(dim or 0) for dim in value.shape or ())} if exact else {}), exact


def own_weight(value: Value, order: Sequence[int]) -> list[Owned]:
    leaves = weight_leaves(value)
    # Beside the weight itself, tensors without a name of their own are numbers of the computation.
    leaves = leaves[:1] + [leaf for leaf in leaves[1:] if leaf.named]
    return [
        own(leaf, f"weight_{place}") if place else own(leaf, "weight", stored_axes(value, leaf, order))
        for place, leaf in enumerate(leaves)
    ]


def own_bias(value: Value) -> list[Owned]:
    leaves = weight_leaves(value)
    return [own(leaf, "bias" if place == 0 else f"bias_{place}") for place, leaf in enumerate(leaves)]


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
        attrs: dict[str, AttrValue] = {}
        if kind == "unary" and kernel.shape is not None:
            attrs = {"kind": f"conv{len(kernel.shape) - 2}d"}
        return build.add(op, kind, [source, *extra], rest if kind != "bias" else rest[:1], attrs=attrs)
    leaf = owned[0].leaf
    rank = len(kernel.shape) - 2 if kernel.shape is not None else len(leaf.shape) - 2
    attrs, certain = _convolution_attributes(op, values[data].shape, kernel.shape, rank, transposed)
    exact = certain and op.type in ("Conv", "ConvTranspose") and are_stored(kernel, offset)
    name = "conv_transpose" if transposed else "conv"
    return layer(build, op, name, source, owned, own_bias(offset), attrs, exact=exact)


def are_stored(weight: Value, bias: Value) -> bool:
    """Whether both are parameters as they are; the bias may be absent."""
    return weight.as_stored is not None and (
        bias is ABSENT or (bias.as_stored is not None and is_vector(bias.shape))
    )


def layer(
    build: Builder,
    op: Op,
    name: str,
    source: Draft,
    weights: list[Owned],
    biases: list[Owned],
    attrs: dict[str, AttrValue] | None = None,
    *,
    exact: bool = False,
) -> Draft:
    """A convolution or linear layer, whichever the stored weight's rank allows, and nodes for what does not
    fit it.

    exact: whether the attributes are all there is to say, and weight and bias are as they are stored.
    """
    main = weights[0]
    rank = len(main.shape)
    exact = exact and len(weights) == 1 and len(biases) <= 1 and (rank == 2) == (name == "linear")
    if rank == 2:
        name, attrs = "linear", None
    elif name == "linear":
        name, attrs = ("conv", {}) if 3 <= rank <= 5 else ("parameter", None)
    elif not 3 <= rank <= 5:
        name, attrs = "parameter", None
    axes = main.axes if main.axes is not None else tuple(range(rank))
    outputs = main.shape[axes[0]] if rank else 1
    fits = (
        len(biases) == 1 and (biases[0].numel == outputs or name == "conv_transpose") and name != "parameter"
    )
    exact = exact and (fits or not biases) and name != "parameter"
    draft = build.add(op, name, [source], [main, *(biases if fits else [])], attrs=attrs, exact=exact)
    for place, owned in enumerate(weights[1:]):
        gain = replace(owned, role="gain") if is_vector(owned.shape) else owned
        draft = build.add(op, "parameter", [draft], [gain], part=f"weight_{place + 1}")
    for place, owned in enumerate([] if fits else biases):
        draft = build.add(op, "bias", [draft], [replace(owned, role="bias")], part=f"bias_{place}")
    return draft


def _convolution_order(kernel: Value, transposed: bool) -> tuple[int, ...]:
    rank = len(kernel.shape or ())
    order = tuple(range(rank))
    return (1, 0, *order[2:]) if transposed and rank >= 2 else order


def _convolution_attributes(
    op: Op, data: Shape, kernel: Shape, rank: int, transposed: bool
) -> tuple[dict[str, AttrValue], bool]:
    """The attributes, and whether they are all that the operation says."""
    if rank < 1:
        return {}, False
    sizes = tuple(dim or 1 for dim in (kernel or ())[2:])
    if len(sizes) != rank:
        return {}, False
    size = data[2:] if data is not None and len(data) == rank + 2 else None
    begin, end = spatial_pads(op, rank, sizes, size)
    auto = str(op.attrs.get("auto_pad", "NOTSET"))
    attrs: dict[str, AttrValue] = {
        "stride": per_axis(op, "strides", rank, 1),
        "padding": begin,
        "dilation": per_axis(op, "dilations", rank, 1),
        "groups": int(op.attrs.get("group", 1)),
    }
    if transposed:
        attrs["output_padding"] = per_axis(op, "output_padding", rank, 0)
        return attrs, begin == end and auto == "NOTSET" and "output_shape" not in op.attrs
    known = not auto.startswith("SAME") or (size is not None and None not in size)
    return attrs | ({} if begin == end else {"padding_end": end}), known


def generic(build: Builder, op: Op, drafts: Sequence[Draft], owned: Sequence[Owned]) -> Draft:
    """An operation that we know nothing of, but what it reads."""
    if owned:
        roles = ("weight", *(f"weight_{place}" for place in range(1, len(owned))))
        params = [replace(part, role=role) for part, role in zip(owned, roles, strict=True)]
        return build.add(op, "parameter", drafts, params, attrs={"kind": op.type.lower()})
    return build.add(op, "unary" if len(drafts) == 1 else "merge", drafts, attrs={"kind": op.type.lower()})


def deformed(build: Builder, op: Op, values: list[Value]) -> Draft:
    """A convolution whose windows the network moves: it reads offsets besides its input."""
    drafts = [value.draft for value in values if value.draft is not None]
    owned = [part for value in (*values[1:2], *values[3:4]) for part in own_weight(value, ())]
    return generic(build, op, drafts, owned)


def _normalised_axes(axis: int, shape: Shape) -> dict[str, AttrValue]:
    """ONNX normalises from an axis on; ours counts the last axes."""
    if axis == -1 or (shape is not None and axis == len(shape) - 1):
        return {"axis": -1}
    if axis < 0 or shape is not None:
        return {"axis": -1, "axes": -axis if axis < 0 else len(shape or ()) - axis}
    return {"axis": -1, APPROXIMATE: "the number of its axes is not known"}


def norm(build: Builder, op: Op, values: list[Value], name: str) -> Draft:
    attrs: dict[str, AttrValue] = {"eps": rounded(float(op.attrs.get("epsilon", 1e-5)))}
    if name in ("layer_norm", "rms_norm"):
        attrs |= _normalised_axes(int(op.attrs.get("axis", -1)), values[0].shape)
    if name == "group_norm":
        attrs["groups"] = int(op.attrs.get("num_groups", 1))
    owned: list[Owned] = []
    rest: list[Owned] = []
    exact = not op.attrs.get("axes") and op.attrs.get("spatial", 1) == 1
    for index, role, plain in ((1, "weight", 1), (2, "bias", 0)):
        if index >= len(values) or values[index] is ABSENT:
            continue
        value = values[index]
        neutral = value.const is not None and bool((value.const == plain).all())
        leaves = weight_leaves(value)
        owned += [own(leaf, role, doubtful=_may_be_made_up(leaf), neutral=neutral) for leaf in leaves[:1]]
        rest += [own(leaf, role) for leaf in leaves[1:]]
        exact = exact and _norm_fits(name, value, values[0].shape, attrs) if leaves else exact and neutral
    exact = exact and not (name == "batch_norm" and len(owned) == 1)
    draft = build.add(op, name, [build.source(values[0], op)], owned, attrs=attrs, exact=exact)
    for place, part in enumerate(rest):
        draft = build.add(op, "parameter", [draft], [part], part=f"extra_{place}")
    # A scale or shift that the network computes, or is given (styles).
    for kind, value in zip(("mul", "add"), values[1:3], strict=False):
        if value.draft is not None:
            draft = build.add(op, kind, [draft, value.draft], part=kind)
    return draft


def _norm_fits(name: str, value: Value, data: Shape, attrs: dict[str, AttrValue]) -> bool:
    """Whether a scale or shift has the shape that torch's norm takes."""
    leaf = value.as_stored
    if leaf is None or data is None or leaf.shape != value.shape:
        return False
    if name in ("layer_norm", "rms_norm"):
        axes = attrs.get("axes", 1)
        return isinstance(axes, int) and leaf.shape == data[-axes:]
    return len(data) > 1 and leaf.shape == (data[1],)


def _may_be_made_up(leaf: Leaf) -> bool:
    """A norm without learned parameters is exported with ones and zeros that have no name; a weight that was
    folded is called after the operator that the exporter folded.
    """
    return leaf.origin is Origin.CONSTANT or not (leaf.named or is_operator_name(leaf.name))


def prelu(build: Builder, op: Op, values: list[Value]) -> Draft:
    owned = [own(leaf, "slope") for leaf in weight_leaves(values[1])[:1]]
    source = build.source(values[0], op)
    if values[1].draft is not None:
        return build.add(op, "merge", [source, values[1].draft], attrs={"kind": "prelu"})
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
            # Exporters make up the zeros they start from; a learned first state has a name.
            leaves = [
                leaf for leaf in leaves if leaf.named and leaf.origin in (Origin.INITIALIZER, Origin.INPUT)
            ]
        owned += [own(leaf, f"{role}_{place}" if place else str(role)) for place, leaf in enumerate(leaves)]
    attrs: dict[str, AttrValue] = {
        "kind": op.type.lower(),
        "hidden_size": int(op.attrs.get("hidden_size", 0)),
        "direction": str(op.attrs.get("direction", "forward")),
    }
    return build.add(op, "recurrent", drafts, owned, attrs=attrs)
