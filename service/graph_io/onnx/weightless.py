"""Operations without weights of their own that take more than a rule to become a node."""

from __future__ import annotations

from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx import loose
from service.graph_io.onnx.attributes import gathered, heads, spatial
from service.graph_io.onnx.builder import Builder
from service.graph_io.onnx.draft import Draft, own
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.shapes import reduced_axes
from service.graph_io.onnx.values import Value
from service.graph_io.onnx.weighted import generic, weight_leaves


def elementwise(build: Builder, op: Op, values: list[Value], name: str = "") -> Draft:
    """name: of the function, as the attribute `kind` has it."""
    attrs: dict[str, AttrValue] = {"kind": name} if name else {}
    drafts = [value.draft for value in values if value.draft is not None]
    fixed = [value for value in values if value.fixed]
    trained = [value for value in fixed if loose.elementwise_leaves(value, op, drafts)]
    if not trained and (draft := build.runnable(op, values)) is not None:
        return draft
    if len(drafts) > 1 or (not trained and not fixed):
        kind = "add" if op.type in ("Add", "Sum") else "mul" if op.type == "Mul" else "merge"
        together = kind != "merge" and len(drafts) + len(trained) == len(values)
        draft = build.add(op, kind, drafts, attrs=attrs if kind == "merge" else {}, exact=together)
    elif not trained:
        return build.add(op, "unary", drafts, attrs=attrs)
    else:
        draft = drafts[0]
    for value in trained:
        draft = loose.add_parameters(build, op, draft, value, op.type)
    return draft


def gather(build: Builder, op: Op, values: list[Value]) -> Draft:
    if values[0].draft is not None and values[1].fixed:
        attrs = gathered(op, values)
        return build.runnable(op, values) or build.add(op, "slice", [values[0].draft], attrs=attrs)
    return loose.gather(build, op, values)


def gather_rows(build: Builder, op: Op, values: list[Value]) -> Draft:
    """A GatherND: entries of the first axis, in an order that is fixed, are a part of the features."""
    drafts = [value.draft for value in values if value.draft is not None]
    rows = (values[1].shape or (None,))[-1] == 1 and not op.attrs.get("batch_dims", 0)
    if rows and values[0].draft is not None and values[1].fixed:
        return build.add(op, "slice", drafts, attrs={"kind": "index"})
    return generic(
        build, op, drafts, [own(leaf, "weight", doubtful=True) for leaf in weight_leaves(values[0])]
    )


def attention(build: Builder, op: Op, values: list[Value]) -> Draft:
    drafts = [value.draft for value in values if value.draft is not None]
    learned = [build.source(value, op) for value in values[:3] if value.fixed and value.leaves]
    return build.add(op, "attention", [*drafts, *learned], attrs=heads(op, values))


def reduction(build: Builder, op: Op, values: list[Value]) -> Draft:
    """A mean over all positions that keeps their axes is global pooling; one that drops them is not (a GHN
    sees the difference, and so does the module tracer).
    """
    drafts = [value.draft for value in values[:1] if value.draft is not None]
    axes, shape = reduced_axes(op, values), values[0].shape
    keepdims = bool(op.attrs.get("keepdims", 1))
    rank = None if shape is None else len(shape)
    if op.type == "ReduceMean" and axes and keepdims and spatial(axes, rank):
        channels_first = rank is not None and axes == tuple(range(2, rank))
        return build.add(op, "global_avg_pool", drafts, exact=channels_first)
    exact = build.runnable(op, values)
    if exact is not None:
        return exact
    attrs: dict[str, AttrValue] = {"kind": op.type.lower(), "keepdims": keepdims}
    if axes:
        attrs["axes"] = axes
    return build.add(op, "unary", drafts, attrs=attrs)
