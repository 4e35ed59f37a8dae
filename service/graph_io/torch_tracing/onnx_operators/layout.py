"""Operators that move numbers, and compute none."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from service.graph_io.torch_tracing.onnx_operators.padding import as_pad_sides
from service.graph_io.torch_tracing.onnx_operators.table import (
    Attrs,
    Inputs,
    NotRun,
    check_size,
    first_input,
    input_at,
    integers,
    operator,
    single,
)


@operator("Reshape")
def _reshape(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = first_input(inputs)
    shape = integers(inputs[1] if len(inputs) > 1 and inputs[1] is not None else attrs["shape"])
    if not attrs.get("allowzero"):
        shape = [x.shape[axis] if side == 0 else side for axis, side in enumerate(shape)]
    return x.reshape(shape)


@operator("Flatten")
def _flatten(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = first_input(inputs)
    axis = attrs.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


@operator("Transpose")
def _transpose(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = first_input(inputs)
    return x.permute(attrs.get("perm", list(reversed(range(x.ndim)))))


@operator("Squeeze")
def _squeeze(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, axes = first_input(inputs), input_at(inputs, 1)
    chosen = integers(axes if axes is not None else attrs.get("axes", []))
    axes_of_one = chosen or [axis for axis, side in enumerate(x.shape) if side == 1]
    return x.squeeze(tuple(axis % x.ndim for axis in axes_of_one))


@operator("Unsqueeze")
def _unsqueeze(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, axes = first_input(inputs), input_at(inputs, 1)
    chosen = integers(axes if axes is not None else attrs["axes"])
    for axis in sorted(axis % (x.ndim + len(chosen)) for axis in chosen):
        x = x.unsqueeze(axis)
    return x


@operator("Concat")
def _concat(attrs: Attrs, inputs: Inputs) -> Tensor:
    return torch.cat([x for x in inputs if x is not None], attrs["axis"])


@operator("Split")
def _split(attrs: Attrs, inputs: Inputs) -> Sequence[Tensor]:
    x, axis, sizes = first_input(inputs), attrs.get("axis", 0), input_at(inputs, 1)
    if sizes is not None or attrs.get("split"):
        return torch.split(x, integers(sizes if sizes is not None else attrs["split"]), axis)
    count = attrs.get("num_outputs", attrs["outputs"])
    return torch.split(x, ceil(x.shape[axis] / count), axis)


@operator("Slice")
def _slice(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = first_input(inputs)
    starts, ends, axes, steps = (
        integers(value) if value is not None else None
        for value in (
            input_at(inputs, 1) if len(inputs) > 1 else attrs.get("starts"),
            input_at(inputs, 2) if len(inputs) > 1 else attrs.get("ends"),
            input_at(inputs, 3) if len(inputs) > 1 else attrs.get("axes"),
            input_at(inputs, 4),
        )
    )
    assert starts is not None and ends is not None
    axes = axes or list(range(len(starts)))
    for start, end, axis, step in zip(starts, ends, axes, steps or [1] * len(starts), strict=True):
        size = x.shape[axis]
        if step > 0:
            first, last, _ = slice(start, end, step).indices(size)
            x = x.narrow(axis, 0, 0) if last <= first else _strided(x, axis, first, last, step)
        else:
            indices = list(range(size))[slice(start, None if end < -size else end, step)]
            x = x.index_select(axis, torch.tensor(indices, dtype=torch.int64))
    return x


def _strided(x: Tensor, axis: int, first: int, last: int, step: int) -> Tensor:
    index: list[Any] = [slice(None)] * x.ndim
    index[axis] = slice(first, last, step)
    return x[tuple(index)]


@operator("Gather")
def _gather(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, indices = first_input(inputs), inputs[1]
    assert indices is not None
    axis = attrs.get("axis", 0) % x.ndim
    if not indices.is_meta:
        size = x.shape[axis]
        if indices.ndim == 0:
            return x.select(axis, int(indices))
        indices = torch.where(indices < 0, indices + size, indices)
    result = x.index_select(axis, indices.reshape(-1).to(torch.int64))
    return result.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


@operator("GatherElements")
def _gather_elements(attrs: Attrs, inputs: Inputs) -> Tensor:
    assert inputs[1] is not None
    return torch.gather(first_input(inputs), attrs.get("axis", 0), inputs[1])


@operator("Expand")
def _expand(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = first_input(inputs)
    assert inputs[1] is not None
    shape = integers(inputs[1])
    longest = max(x.ndim, len(shape))
    ours = [1] * (longest - x.ndim) + list(x.shape)
    theirs = [1] * (longest - len(shape)) + shape
    return x.expand([b if a == 1 else a for a, b in zip(ours, theirs, strict=True)])


@operator("Tile")
def _tile(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = first_input(inputs)
    assert inputs[1] is not None
    repeats = integers(inputs[1])
    if not x.is_meta:
        check_size([x.numel(), *repeats])
    return x.repeat(repeats)


@operator("Pad")
def _pad(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, value, axes = first_input(inputs), input_at(inputs, 2), input_at(inputs, 3)
    pads = integers(inputs[1] if len(inputs) > 1 and inputs[1] is not None else attrs["pads"])
    half = len(pads) // 2
    before, after = [0] * x.ndim, [0] * x.ndim
    for place, axis in enumerate(integers(axes) if axes is not None else range(half)):
        before[axis], after[axis] = pads[place], pads[half + place]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}[
        attrs.get("mode", "constant")
    ]
    if not x.is_meta:
        check_size([side + max(0, a) + max(0, b) for side, a, b in zip(x.shape, before, after, strict=True)])
    if mode == "constant":
        filled = 0.0 if value is None else float(single(value, 0.0))
        return F.pad(x, as_pad_sides(before, after), value=filled)
    if any(before[:2]) or any(after[:2]):
        raise NotRun("pads the batch or the channels by their neighbours")
    return F.pad(x, as_pad_sides(before[2:], after[2:]), mode=mode)


@operator("DepthToSpace")
def _depth_to_space(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, side = first_input(inputs), attrs["blocksize"]
    if attrs.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, side)
    n, c, h, w = x.shape
    moved = x.reshape(n, side, side, c // side**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return moved.reshape(n, c // side**2, h * side, w * side)


@operator("SpaceToDepth")
def _space_to_depth(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, side = first_input(inputs), attrs["blocksize"]
    n, c, h, w = x.shape
    moved = x.reshape(n, c, h // side, side, w // side, side).permute(0, 3, 5, 1, 2, 4)
    return moved.reshape(n, c * side**2, h // side, w // side)


@operator("Trilu")
def _trilu(attrs: Attrs, inputs: Inputs) -> Tensor:
    diagonal = input_at(inputs, 1)
    k = 0 if diagonal is None else integers(diagonal)[0]
    return (torch.triu if attrs.get("upper", 1) else torch.tril)(first_input(inputs), k)
