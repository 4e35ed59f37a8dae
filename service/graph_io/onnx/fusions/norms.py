"""Norms that are written out: layer norm, RMS norm and instance norm from means and roots, group norm from
an instance norm.
"""

from __future__ import annotations

from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx.draft import Draft, Owned, readers_of
from service.graph_io.onnx.fusions.regions import only_reader, region
from service.graph_io.onnx.tensors import Origin

_ALLOWED = frozenset({"unary", "activation", "add", "mul", "merge", "global_avg_pool"})
# TensorFlow multiplies the scale into the root and subtracts the mean from the shift.
_AFFINE_INSIDE = frozenset({"layer_scale", "parameter"})


def fuse_norms(drafts: list[Draft], outputs: list[Draft]) -> list[Draft]:
    """(x - mean) / sqrt(variance + eps) * weight + bias, and what is the same, as one norm."""
    readers = readers_of(drafts, outputs)
    for draft in drafts:
        if len(draft.inputs) != 2 or draft.owned:
            continue
        if draft.op == "mul" or (draft.op == "merge" and draft.kind == "Div"):
            _fuse_outside(draft, readers)
        elif draft.op == "add":
            _fuse_inside(draft)
    return drafts


def _fuse_outside(draft: Draft, readers: dict[Draft, list[Draft]]) -> None:
    for centred in draft.inputs:
        entries = [centred.inputs[0]] if centred.kind == "Sub" and len(centred.inputs) == 2 else []
        for entry in (*entries, centred):
            inside = region(draft, entry, most=20)
            if inside is None or not all(part.op in _ALLOWED for part in inside) or not _has_root(inside):
                continue
            if entry is centred and _centres(inside):
                continue
            name, attrs = _norm(inside)
            if not name:
                continue
            tail, owned = _affine(draft, readers)
            tail.become(name, "Norm", [entry], owned, attrs)
            return
        if draft.kind == "Div":
            return


def _fuse_inside(draft: Draft) -> None:
    """x * (weight / root) + (bias - mean * (weight / root))."""
    for product, shift in (draft.inputs, draft.inputs[::-1]):
        if product.op != "mul" or shift.op != "parameter" or shift.kind != "Sub":
            continue
        for entry in product.inputs:
            inside = region(draft, entry, most=24, owning=_AFFINE_INSIDE)
            if inside is None or not _has_root(inside):
                continue
            name, attrs = _norm([*inside, shift])
            scales = [owned for part in inside if part.op == "layer_scale" for owned in part.owned]
            shifts = [owned for part in inside if part.op == "parameter" for owned in part.owned]
            if not name or len(scales) != 1 or len(shifts) != 1:
                continue
            for part in inside:
                part.owned = []
            draft.become(
                name, "Norm", [entry], [Owned(scales[0].leaf, "weight"), Owned(shifts[0].leaf, "bias")], attrs
            )
            return


def _has_root(inside: list[Draft]) -> bool:
    """A mean and a square root."""
    means = any(part.kind == "ReduceMean" for part in inside)
    roots = any(part.kind == "Sqrt" or (part.kind == "Pow" and part.scalar in (0.5, -0.5)) for part in inside)
    return means and roots


def _centres(inside: list[Draft]) -> bool:
    return any(part.kind == "Sub" for part in inside)


def _norm(inside: list[Draft]) -> tuple[str, dict[str, AttrValue]]:
    reduced = next(
        (part.attrs.get("axes") for part in inside if part.kind == "ReduceMean" and part.op == "unary"), None
    )
    pooled = any(part.op == "global_avg_pool" for part in inside)
    offsets = [
        part.scalar
        for part in inside
        if part.kind == "Add" and part.op == "unary" and part.scalar is not None
    ]
    attrs: dict[str, AttrValue] = (
        {"eps": round(float(offsets[0]), 12)} if offsets and 0 < offsets[0] < 0.1 else {}
    )
    if not _centres(inside):
        return "rms_norm", {**attrs, "axis": -1}
    if pooled:
        return "instance_norm", attrs
    rank = next((len(part.shape) for part in inside if part.shape is not None), None)
    axis = 1 if reduced == (1,) and rank == 4 else -1
    return "layer_norm", {**attrs, "axis": axis}


def _affine(draft: Draft, readers: dict[Draft, list[Draft]]) -> tuple[Draft, list[Owned]]:
    """The learned scale and shift behind a norm, and the last draft of the group."""
    owned: list[Owned] = []
    tail = draft
    for op, role in (("layer_scale", "weight"), ("bias", "bias")):
        reader = only_reader(readers, tail)
        if reader is None or reader.op != op or len(reader.owned) != 1 or reader.owned[0].leaf.numel < 2:
            continue
        own = reader.owned[0]
        owned.append(Owned(own.leaf, role, doubtful=own.leaf.origin is Origin.CONSTANT, shape=own.shape))
        tail.owned = []
        tail = reader
    return tail, owned


def fuse_group_norms(drafts: list[Draft], outputs: list[Draft]) -> list[Draft]:
    """reshape to groups, instance norm without parameters of its own, reshape back, scale, shift."""
    readers = readers_of(drafts, outputs)
    for draft in drafts:
        if draft.op != "instance_norm" or len(draft.inputs) != 1 or draft.inputs[0].op != "reshape":
            continue
        back = only_reader(readers, draft)
        if back is None or back.op != "reshape" or not all(_made_up(owned) for owned in draft.owned):
            continue
        shape = draft.inputs[0].shape
        groups = shape[1] if shape is not None and len(shape) > 1 else None
        if groups is None and draft.owned:
            groups = draft.owned[0].leaf.numel
        attrs: dict[str, AttrValue] = {
            "eps": draft.attrs.get("eps", 1e-5),
            **({} if groups is None else {"groups": groups}),
        }
        tail, owned = _affine(back, readers)
        draft.owned = []
        tail.become("group_norm", "Norm", [draft.inputs[0].inputs[0]], owned, attrs)
    return drafts


def _made_up(owned: Owned) -> bool:
    return owned.leaf.origin is Origin.CONSTANT or not owned.leaf.named
