"""Parameters outside of layers: tensors that are added, multiplied, looked up or joined."""

from __future__ import annotations

from collections.abc import Sequence

from service.graph_io.lifting.biases import output_channels
from service.graph_io.onnx.builder import Builder
from service.graph_io.onnx.draft import Draft, Shape, own
from service.graph_io.onnx.leaves import is_plain_number, is_vector
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.tensors import Leaf, Origin
from service.graph_io.onnx.values import ABSENT, Value
from service.graph_io.onnx.weighted import generic, placement, weight_leaves


def elementwise_leaves(value: Value, op: Op, sources: Sequence[Draft]) -> list[Leaf]:
    """The tensors that may be parameters in a sum or product with what `sources` compute."""
    return [
        leaf
        for leaf in weight_leaves(value)
        if leaf.is_float and (_is_only_bias(leaf, op, sources) or not is_plain_number(leaf))
    ]


def _is_only_bias(leaf: Leaf, op: Op, sources: Sequence[Draft]) -> bool:
    """Whether a single number is the bias of a layer with one output, which stands right before it."""
    return (
        op.type in ("Add", "Gemm")
        and leaf.numel == 1
        and leaf.named
        and leaf.origin in (Origin.INITIALIZER, Origin.INPUT)
        and len(sources) == 1
        and output_channels(sources[0]) == 1
    )


def add_parameters(build: Builder, op: Op, draft: Draft, value: Value, kind: str = "Add") -> Draft:
    """x + value or x * value for a value that nothing computes."""
    leaves = elementwise_leaves(value, op, [draft])
    if not leaves:
        if value is ABSENT:
            return draft
        return build.add(op, "unary", [draft], part="constant")
    for place, leaf in enumerate(leaves):
        shape = (
            value.shape
            if len(leaves) == 1 and value.shape is not None and None not in value.shape
            else leaf.shape
        )
        draft = _elementwise_parameter(build, op, draft, leaf, kind, shape, value, place)
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
    owned = own(leaf, role, doubtful=True, used=shape)
    attrs, exact = placement(value)
    exact = exact and kind in ("Add", "Sum", "Mul")
    if name == "parameter" and not exact:
        attrs = {"kind": kind.lower()}
    return build.add(op, name, [draft], [owned], part=part, attrs=attrs, exact=exact)


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
        # Tables of positions that were computed beforehand are looked up, too; they have no name.
        owned = own(leaves[0], "weight", doubtful=not leaves[0].named)
        rows = op.attrs.get("axis", 0) == 0 and len(leaves[0].shape) == 2
        exact = rows and table.as_stored is not None and table.in_order
        return build.add(op, "embedding", [source], [owned], exact=exact)
    return generic(build, op, [source], [own(leaf, "weight", doubtful=True) for leaf in leaves])


def concat(build: Builder, op: Op, values: list[Value]) -> Draft:
    sources: list[Draft] = []
    exact = True
    for place, value in enumerate(values):
        if value.draft is not None:
            sources.append(value.draft)
            continue
        leaves = weight_leaves(value)
        attrs, stored = placement(value) if len(leaves) == 1 else ({}, False)
        exact = exact and stored
        for number, leaf in enumerate(leaves):
            owned = own(leaf, "weight", doubtful=True, used=value.shape)
            part = f"token_{place}_{number}"
            sources.append(build.add(op, "class_token", [], [owned], part=part, attrs=attrs, exact=stored))
    axis = int(op.attrs.get("axis", 1))
    if all(draft.kind == "Unsqueeze" and draft.attrs.get("axes") == (axis,) for draft in sources):
        # A new axis for the branches: nothing is joined along channels.
        before = [draft.inputs[0] for draft in sources]
        return build.add(op, "merge", before, attrs={"kind": "stack", "axis": axis}, exact=axis >= 0)
    return build.add(op, "concat", sources, attrs={"axis": axis}, exact=exact)
