"""Moving numbers around: views, permutations, parts, joins, padding, resizing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.torch_tracing.recorder import Recorder, handles


@handles(
    "view", "reshape", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as", "ravel", "_unsafe_view"
)
def _reshape(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    step = recorder.step_of(input)
    try:
        out = func(input, *args, **kwargs)
    except RuntimeError:
        # Our elementwise results are contiguous where torch would have kept the strides, and the other
        # way round.
        if func is not Tensor.view:
            raise
        out = input.reshape(*args, **kwargs)
    if step is None:
        return out
    recorder.view(out, input)
    return recorder.result("reshape", (step,), out, {"shape": tuple(out.shape)})


@handles("flatten")
def _flatten(recorder: Recorder, func: Any, input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Any:
    step = recorder.step_of(input)
    out = func(input, start_dim, end_dim)
    if step is None:
        return out
    recorder.view(out, input)
    rank = input.dim()
    start, end = start_dim % max(rank, 1), end_dim % max(rank, 1)
    if end == rank - 1:
        return recorder.result("flatten", (step,), out, {"start_axis": start})
    return recorder.result("reshape", (step,), out, {"shape": tuple(out.shape)})


@handles(
    "permute",
    "transpose",
    "t",
    "T",
    "mT",
    "H",
    "mH",
    "swapaxes",
    "swapdims",
    "movedim",
    "moveaxis",
    "adjoint",
)
def _permute(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    step = recorder.step_of(input)
    out = func(input, *args, **kwargs)
    if step is None:
        return out
    recorder.view(out, input)
    # What the function does to the shape (0, 1, 2, ...) tells the order, whatever its arguments look like.
    rank = input.dim()
    probe = torch.empty(tuple(range(1, rank + 1)), device="meta")
    order = tuple(size - 1 for size in func(probe, *args, **kwargs).shape)
    return recorder.result("permute", (step,), out, {"axes": order})


@handles("expand", "expand_as", "broadcast_to", "repeat", "tile", "repeat_interleave")
def _expand(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    step = recorder.step_of(input)
    out = recorder.run(func, input, *args, **kwargs)
    if step is None:
        return out
    recorder.view(out, input)
    kind = "expand" if getattr(func, "__name__", "").startswith(("expand", "broadcast")) else "repeat"
    return recorder.result("unary", (step,), out, {"kind": kind, "shape": tuple(out.shape)})


@handles("__getitem__")
def _getitem(recorder: Recorder, func: Any, input: Tensor, index: Any) -> Any:
    out = recorder.run(func, input, index)
    # Also of fixed numbers: a buffer that is filled part by part becomes a computed value.
    recorder.view(out, input)
    sources = tuple(recorder.sources([input, index]))
    if not sources:
        return out
    if len(sources) > 1:
        return recorder.result("merge", sources, out, {"kind": "index"})
    return recorder.result("slice", sources, out, _slice_attributes(index, input))


def _slice_attributes(index: Any, input: Tensor) -> dict[str, AttrValue]:
    """axes, starts, ends, steps of a plain slice; an integer also drops its axis. Nothing for fancier
    indices.
    """
    entries = index if isinstance(index, tuple) else (index,)
    if any(not isinstance(entry, (int, slice)) and entry is not Ellipsis for entry in entries):
        return {"kind": "index"}
    gap = input.dim() - sum(entry is not Ellipsis for entry in entries)
    axis, picked, dropped = 0, [], []
    for entry in entries:
        if entry is Ellipsis:
            axis += gap
            continue
        size = input.shape[axis]
        if isinstance(entry, int):
            picked.append((axis, entry % size, entry % size + 1, 1))
            dropped.append(axis)
        elif entry != slice(None):
            picked.append((axis, *entry.indices(size)))
        axis += 1
    axes, starts, ends, steps = zip(*picked, strict=True) if picked else ((), (), (), ())
    attrs: dict[str, AttrValue] = {"axes": axes, "starts": starts, "ends": ends, "steps": steps}
    if dropped:
        attrs["dropped"] = tuple(dropped)
    return attrs


@handles(
    "chunk",
    "split",
    "tensor_split",
    "unsafe_chunk",
    "unsafe_split",
    "split_with_sizes",
    "unbind",
    "hsplit",
    "vsplit",
)
def _parts(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    step = recorder.step_of(input)
    parts = func(input, *args, **kwargs)
    if step is None:
        return parts
    rank, whole = input.dim(), tuple(input.shape)
    drops = bool(parts) and parts[0].dim() < rank
    axis = _parted_axis(args, kwargs, unbind=drops) % rank
    start = 0
    for part in parts:
        end = start + (1 if drops else part.shape[axis])
        attrs: dict[str, AttrValue] = {"axes": (axis,), "starts": (start,), "ends": (end,), "steps": (1,)}
        if drops:
            attrs["dropped"] = (axis,)
        if part.shape != whole or len(parts) > 1:
            recorder.result("slice", (step,), part, attrs)
        else:
            recorder.bind(part, step)
        recorder.view(part, input)
        start = end
    return parts


def _parted_axis(args: tuple[Any, ...], kwargs: dict[str, Any], *, unbind: bool) -> int:
    place = 0 if unbind else 1
    axis = kwargs.get("dim", args[place] if len(args) > place else 0)
    return int(axis) if isinstance(axis, int) else 0


@handles("__iter__")
def _iterate(recorder: Recorder, func: Any, input: Tensor) -> Any:
    return iter(_parts(recorder, torch.unbind, input, 0))


@handles("cat", "concat", "concatenate")
def _concat(recorder: Recorder, func: Any, tensors: Any, dim: int = 0, **kwargs: Any) -> Any:
    tensors = list(tensors)
    steps = [recorder.step_of(tensor) for tensor in tensors]
    sources = tuple(step for step in steps if step is not None)
    if not sources:
        return recorder.run(func, tensors, dim, **kwargs)
    # torch ignores tensors of the shape (0,) among others.
    shapes = [shape for tensor in tensors if (shape := tuple(tensor.shape)) != (0,)] or [(0,)]
    rank = len(shapes[0])
    axis = kwargs.get("axis", dim) % rank
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(rest) > 1:
        raise RuntimeError(
            f"tensors of the shapes {[list(shape) for shape in shapes]} cannot be joined along axis {axis}"
        )
    shape = (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
    dtype = next(tensor.dtype for tensor, step in zip(tensors, steps, strict=True) if step is not None)
    return recorder.make("concat", sources, shape, dtype, attrs={"axis": axis})


@handles("pad", "constant_pad_nd")
def _pad(recorder: Recorder, func: Any, input: Tensor, pad: Any, *args: Any, **kwargs: Any) -> Any:
    step = recorder.step_of(input)
    if step is None and not recorder.has_no_values(input):
        return recorder.run(func, input, pad, *args, **kwargs)
    widths = tuple(int(width) for width in pad)
    shape = list(input.shape)
    # Pairs of (before, after), the last axis first.
    for pair in range(len(widths) // 2):
        shape[-1 - pair] += widths[2 * pair] + widths[2 * pair + 1]
    if min(shape, default=1) < 0:
        raise RuntimeError(f"padding by {list(widths)} leaves nothing of the shape {list(input.shape)}")
    if step is None:
        return recorder.empty(shape, input.dtype)
    return recorder.make("pad", (step,), shape, input.dtype, attrs={"pads": widths})


@handles("stack")
def _stack(recorder: Recorder, func: Any, tensors: Any, dim: int = 0, **kwargs: Any) -> Any:
    tensors = list(tensors)
    sources = tuple(step for tensor in tensors if (step := recorder.step_of(tensor)) is not None)
    if not sources:
        return recorder.run(func, tensors, dim, **kwargs)
    shape = list(tensors[0].shape)
    if any(list(tensor.shape) != shape for tensor in tensors):
        raise RuntimeError(f"tensors of the shapes {[list(t.shape) for t in tensors]} cannot be stacked")
    axis = dim % (len(shape) + 1)
    shape.insert(axis, len(tensors))
    attrs: dict[str, AttrValue] = {"kind": "stack", "axis": axis}
    return recorder.make(
        "merge" if len(sources) > 1 else "unary", sources, shape, tensors[0].dtype, attrs=attrs
    )


@handles("interpolate", "upsample", "upsample_nearest", "upsample_bilinear")
def _resize(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    step = recorder.step_of(input)
    out = recorder.run(func, input, *args, **kwargs)
    if step is None:
        return out
    kind = kwargs.get("mode", args[2] if len(args) > 2 else "nearest")
    return recorder.result("resize", (step,), out, {"kind": str(kind), "size": tuple(out.shape[2:])})


@handles(
    "unfold",
    "fold",
    "pixel_shuffle",
    "pixel_unshuffle",
    "channel_shuffle",
)
def _rearrange(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    step = recorder.step_of(input)
    out = recorder.run(func, input, *args, **kwargs)
    if step is None:
        return out
    return recorder.result("unary", (step,), out, {"kind": str(getattr(func, "__name__", "rearrange"))})


@handles("select", "narrow", "diagonal", "index_select", "take_along_dim", "gather")
def _select(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    out = recorder.run(func, input, *args, **kwargs)
    # Also of fixed numbers: a buffer that is filled part by part becomes a computed value.
    recorder.view(out, input)
    sources = tuple(recorder.sources([input, args, kwargs]))
    if not sources:
        return out
    return recorder.result("slice" if len(sources) == 1 else "merge", sources, out, {"kind": "index"})
