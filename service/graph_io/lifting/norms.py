"""Norms that are written out: layer norm, RMS norm and instance norm from means and roots."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from service.graph_io.archgraph import AttrValue, Parameter
from service.graph_io.lifting.linked import LinkedGraph, LinkedNode, integers, marks_of, placed_shape
from service.graph_io.lifting.numbers import Array, computed, equal, sample
from service.graph_io.lifting.regions import Readers, kind_of, number_of, only_reader, region

Attributes = dict[str, AttrValue]

_ALLOWED = frozenset({"unary", "activation", "add", "mul", "merge", "global_avg_pool"})
# TensorFlow multiplies the scale into the root and subtracts the mean from the shift.
_AFFINE_INSIDE = frozenset({"layer_scale", "parameter"})
# The second is a mean over axes that nobody knows.
_MEANS = ("mean", "reducemean", "var")
_LARGEST_EPSILON = 0.1


def find_norms(graph: LinkedGraph) -> None:
    """(x - mean) / sqrt(variance + eps) * weight + bias, and what is the same, becomes one norm."""
    if not any(map(_is_root, graph.nodes)):
        return
    readers = graph.readers()
    for node in graph.nodes:
        if len(node.inputs) != 2 or node.params:
            continue
        if node.op == "mul" or (node.op == "merge" and kind_of(node) == "div"):
            _fuse_outside(node, readers)
        elif node.op == "add":
            _fuse_inside(node)
    graph.prune()


@dataclass(frozen=True, slots=True)
class _Norm:
    """axes: those that are normalised together, None if they are not known. rank: of the features."""

    op: str
    attrs: Attributes
    axes: tuple[int, ...] | None
    rank: int | None

    @property
    def over_channels(self) -> bool:
        """Whether scale and shift have one number a channel, which is axis 1."""
        return self.op == "instance_norm" or self.attrs.get("axis") == 1

    def of(self, x: Array) -> Array | None:
        """The norm of some numbers, without scale and shift."""
        if self.axes is None:
            return None
        centred = x if self.op == "rms_norm" else x - x.mean(self.axes, keepdims=True)
        variance = (centred**2).mean(self.axes, keepdims=True)
        return np.asarray(centred / np.sqrt(variance + float(str(self.attrs["eps"]))))


def _fuse_outside(node: LinkedNode, readers: Readers) -> None:
    for centred in node.inputs:
        entries = [centred.inputs[0]] if kind_of(centred) == "sub" and len(centred.inputs) == 2 else []
        for entry in (*entries, centred):
            inside = region(node, entry, most=20)
            if inside is None or not all(part.op in _ALLOWED for part in inside):
                continue
            if not _has_mean_and_root(inside) or (entry is centred and _centres(inside)):
                continue
            norm = _norm(inside, entry)
            marks = _marks(node, entry, norm, inside)
            if marks is not None:
                _become(node, entry, norm, marks, readers)
                return
        if node.op == "merge":
            return


def _marks(node: LinkedNode, entry: LinkedNode, norm: _Norm, inside: list[LinkedNode]) -> Attributes | None:
    """The mark of the norm: none if the group computes it. None if the group computes something else."""
    x, eps = sample(entry.shape), float(str(norm.attrs["eps"]))
    # So small that the epsilon matters.
    x = x if x is None or not eps else x * eps**0.5
    expected, result = (None, None) if x is None else (norm.of(x), computed(node, entry, x))
    if expected is None or result is None:
        return marks_of(*inside) or None
    return {} if equal(result, expected) else None


def _fuse_inside(node: LinkedNode) -> None:
    """x * (weight / root) + (bias - mean * (weight / root))."""
    for product, shift in (node.inputs, node.inputs[::-1]):
        if product.op != "mul" or shift.op != "parameter" or kind_of(shift) != "sub":
            continue
        for entry in product.inputs:
            inside = region(node, entry, most=24, owning=_AFFINE_INSIDE)
            if inside is None or not _has_mean_and_root(inside):
                continue
            scales = [own for part in inside if part.op == "layer_scale" for own in part.params]
            shifts = [own for part in inside if part.op == "parameter" for own in part.params]
            if len(scales) != 1 or len(shifts) != 1:
                continue
            norm = _norm(inside, entry)
            for part in inside:
                part.params = ()
            node.params = (replace(scales[0], role="weight"), replace(shifts[0], role="bias"))
            node.op, node.inputs, node.attrs = norm.op, [entry], norm.attrs | marks_of(shift)
            return


def _has_mean_and_root(inside: list[LinkedNode]) -> bool:
    means = any(kind_of(part) in _MEANS or part.op == "global_avg_pool" for part in inside)
    return means and any(map(_is_root, inside))


def _is_root(node: LinkedNode) -> bool:
    return kind_of(node) in ("sqrt", "rsqrt") or number_of(node, "pow") in (0.5, -0.5)


def _centres(inside: list[LinkedNode]) -> bool:
    return any(kind_of(part) in ("sub", "var") for part in inside)


def _norm(inside: list[LinkedNode], entry: LinkedNode) -> _Norm:
    """The norm that a group looks like."""
    offsets = [number for part in inside if (number := number_of(part, "add")) is not None]
    eps = next((offset for offset in offsets if 0 < offset < _LARGEST_EPSILON), 0.0)
    rank = None if entry.shape is None else len(entry.shape)
    axes = next((reduced for part in inside if (reduced := _reduced(part, rank))), None)
    op = "layer_norm" if _centres(inside) else "rms_norm"
    attrs: Attributes = {"eps": eps}
    if rank is not None and any(part.op == "global_avg_pool" for part in inside):
        axes = tuple(range(2, rank))
        if op == "layer_norm":
            return _Norm("instance_norm", attrs, axes, rank)
    if axes == (1,) and rank == 4:
        return _Norm(op, {**attrs, "axis": 1}, axes, rank)
    count = len(axes) if axes else 1
    attrs |= {"axis": -1, **({"axes": count} if count > 1 else {})}
    last = tuple(range(-count, 0)) if rank is None else tuple(range(rank - count, rank))
    return _Norm(op, attrs, axes if axes in (last, None) else last, rank)


def _reduced(node: LinkedNode, rank: int | None) -> tuple[int, ...]:
    """The axes that a mean is taken over; none if the node is no mean, or they are not known."""
    if node.op != "unary" or kind_of(node) not in _MEANS:
        return ()
    axes = integers(node.attrs.get("dim" if kind_of(node) == "var" else "axes"))
    return axes if rank is None else tuple(sorted(axis % rank for axis in axes))


def _become(node: LinkedNode, entry: LinkedNode, norm: _Norm, marks: Attributes, readers: Readers) -> None:
    """The last node of the group, or of what scales and shifts its result, becomes the norm."""
    # Ours has no shift.
    roles = ("weight",) if norm.op == "rms_norm" else ("weight", "bias")
    tail, params, unclear = learned_behind(node, readers, roles, norm.over_channels)
    tail.op, tail.inputs, tail.params = norm.op, [entry], params
    tail.attrs = norm.attrs | marks | unclear


def learned_behind(
    node: LinkedNode, readers: Readers, roles: tuple[str, ...], first: bool
) -> tuple[LinkedNode, tuple[Parameter, ...], Attributes]:
    """The last node of a norm's group, the learned scale and shift in it, and a mark if it is not clear how
    they meet the features.

    first: whether they are along axis 1, else along the last.
    """
    params: list[Parameter] = []
    tail, marks = node, Attributes()
    for role in roles:
        reader = only_reader(readers, tail)
        if reader is None or not _is_affine(reader, role, tail):
            continue
        own = reader.params[0]
        if reader.exact and not _along(reader, tail, first):
            break
        params.append(replace(own, role=role))
        marks |= marks_of(reader)
        reader.params = ()
        tail = reader
    return tail, tuple(params), marks


def _is_affine(reader: LinkedNode, role: str, tail: LinkedNode) -> bool:
    if len(reader.params) != 1 or reader.inputs != [tail] or reader.params[0].numel < 2:
        return False
    if role == "bias":
        return reader.op == "bias"
    factor = reader.op == "parameter" and reader.params[0].role == "gain" and kind_of(reader) in (None, "mul")
    return reader.op == "layer_scale" or factor


def _along(reader: LinkedNode, tail: LinkedNode, first: bool) -> bool:
    """Whether a vector lies along the channels, or along the last axis, as torch's norms have it."""
    shape, own = placed_shape(reader), reader.params[0]
    if not first:
        return shape[-1:] == (own.numel,) and len(own.shape) == 1
    if "shape" not in reader.attrs and len(shape) == 1:
        return tail.shape is not None and len(tail.shape) > 3
    behind = 0 if tail.shape is None else len(tail.shape) - 2
    return shape[len(shape) - 1 - behind :] == (own.numel, *(1,) * behind)
