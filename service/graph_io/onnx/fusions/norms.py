"""Norms that are written out: layer norm, RMS norm and instance norm from means and roots, group norm from
an instance norm.
"""

from __future__ import annotations

import numpy as np

from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx.draft import Draft, Owned, readers_of
from service.graph_io.onnx.exact.rules import rounded
from service.graph_io.onnx.fusions.numbers import computed, equal, sample
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
            exact = _computes(draft, entry, name, attrs)
            tail, owned, placed = _affine(draft, readers, first=name == "instance_norm" or attrs["axis"] == 1)
            tail.become(name, "Norm", [entry], owned, attrs, exact=exact and placed)
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


def _computes(draft: Draft, entry: Draft, name: str, attrs: dict[str, AttrValue]) -> bool:
    """Whether the group is the norm that it looks like, with its epsilon."""
    x = sample(entry.shape)
    if x is None or "eps" not in attrs:
        return False
    if name == "instance_norm":
        axes = tuple(range(2, x.ndim))
    else:
        count = attrs.get("axes", 1)
        axes = (1,) if attrs["axis"] == 1 else tuple(range(-count, 0)) if isinstance(count, int) else ()
    centred = x if name == "rms_norm" else x - x.mean(axes, keepdims=True)
    scale = np.sqrt((centred**2).mean(axes, keepdims=True) + float(str(attrs["eps"])))
    return equal(computed(draft, entry, x), centred / scale)


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
        {"eps": rounded(float(offsets[0]))} if offsets and 0 < offsets[0] < 0.1 else {}
    )
    rank = next((len(part.shape) for part in inside if part.shape is not None), None)
    count = len(reduced) if isinstance(reduced, tuple) else 1
    several: dict[str, AttrValue] = {"axes": count} if count > 1 else {}
    if not _centres(inside):
        return "rms_norm", {**attrs, "axis": -1, **several}
    if pooled:
        return "instance_norm", attrs
    axis = 1 if reduced == (1,) and rank == 4 else -1
    return "layer_norm", {**attrs, "axis": axis, **several}


def _affine(
    draft: Draft, readers: dict[Draft, list[Draft]], *, first: bool
) -> tuple[Draft, list[Owned], bool]:
    """The last draft of a norm's group, the learned scale and shift in it, and whether they lie as torch's
    norm has them: along the channels, or along the last axis.

    first: whether the channels are axis 1.
    """
    owned: list[Owned] = []
    placed, tail = True, draft
    for op, role in (("layer_scale", "weight"), ("bias", "bias")):
        reader = only_reader(readers, tail)
        if reader is None or reader.op != op or len(reader.owned) != 1 or reader.owned[0].leaf.numel < 2:
            continue
        own = reader.owned[0]
        owned.append(Owned(own.leaf, role, doubtful=own.leaf.origin is Origin.CONSTANT, shape=own.shape))
        behind = len(reader.shape) - 2 if first and reader.shape is not None else 0
        shape = own.shape or ()
        along = shape[len(shape) - 1 - behind :] == (own.leaf.numel, *(1,) * behind)
        placed = placed and reader.exact and along and (first or len(own.leaf.shape) == 1)
        tail.owned = []
        tail = reader
    return tail, owned, placed


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
        parts, source = draft.inputs[0], draft.inputs[0].inputs[0]
        exact = all(part.exact for part in (draft, parts, back)) and all(own.neutral for own in draft.owned)
        exact = exact and None not in (shape, source.shape) and source.shape == back.shape
        exact = exact and source.shape is not None and shape is not None and source.shape[0] == shape[0]
        tail, owned, placed = _affine(back, readers, first=True)
        draft.owned = []
        tail.become("group_norm", "Norm", [source], owned, attrs, exact=exact and placed)
    return drafts


def _made_up(owned: Owned) -> bool:
    return owned.leaf.origin is Origin.CONSTANT or not owned.leaf.named
