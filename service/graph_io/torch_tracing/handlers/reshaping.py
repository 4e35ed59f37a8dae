"""Moving numbers around: views, permutations, parts, joins, padding, resizing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.functions import UNARY
from service.graph_io.torch_tracing.calls import approximate, batched, bound, depends_on_batch
from service.graph_io.torch_tracing.recorder import Recorder, function_name, handles

# An index that is longer than this is a table, not an attribute.
_LONGEST_INDEX = 4096


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
    return recorder.result("reshape", (step,), out, batched(out.shape, recorder.batch))


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
    return recorder.result("reshape", (step,), out, batched(out.shape, recorder.batch))


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


@handles("expand", "expand_as", "broadcast_to")
def _expand(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    step = recorder.step_of(input)
    out = recorder.run(func, input, *args, **kwargs)
    if step is None:
        return out
    recorder.view(out, input)
    attrs = {"kind": "expand", **batched(out.shape, recorder.batch)}
    if input.dim() == out.dim():
        # An axis that stays is -1 to torch: whatever the batch is, it is not expanded.
        kept = tuple(-1 if new == old else new for new, old in zip(out.shape, input.shape, strict=True))
        attrs = {"kind": "expand", "shape": kept}
        if depends_on_batch(kept, recorder.batch):
            attrs |= approximate("it repeats a tensor for the batch")
    elif "approximate" not in attrs and -1 in attrs["shape"]:  # type: ignore[operator]
        attrs |= approximate("it adds axes before the batch")
    return recorder.result("unary", (step,), out, attrs)


@handles("repeat", "tile", "repeat_interleave")
def _repeat(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    step = recorder.step_of(input)
    out = recorder.run(func, input, *args, **kwargs)
    if step is None:
        return out
    recorder.view(out, input)
    kind = function_name(func)
    row = UNARY[kind]
    return recorder.result(
        "unary", (step,), out, {"kind": kind, **bound(row.arguments, args, kwargs, recorder.batch)}
    )


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
    if recorder.step_of(input) is None:
        return recorder.result(
            "slice", sources, out, {"kind": "index", **approximate("it looks up constants")}
        )
    return _plain_index(recorder, sources[0], index, input, out)


@handles("slice")
def _slice(
    recorder: Recorder,
    func: Any,
    input: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Any:
    """What torch.export makes of x[:, 1:]: one of these for each axis, also for those that stay whole."""
    entry = slice(start, end, step)
    whole = entry.indices(input.shape[dim]) == (0, input.shape[dim], 1)
    entries = [slice(None)] * input.dim()
    entries[dim] = entries[dim] if whole else entry
    return _getitem(recorder, Tensor.__getitem__, input, tuple(entries))


def _plain_index(recorder: Recorder, step: int, index: Any, input: Tensor, out: Tensor) -> Tensor:
    """A slice, a list of places, new axes: one step for each of them."""
    entries = index if isinstance(index, tuple) else (index,)
    listed = _one_list(entries, input)
    if listed is not None:
        axis, places = listed
        attrs: dict[str, AttrValue] = {"kind": "index_list", "dim": axis, "index": places}
        return recorder.bind(out, recorder.add("unary", (step,), shape=tuple(out.shape), attrs=attrs))
    old = tuple(entry for entry in entries if entry is not None)
    if len(old) == len(entries) or any(isinstance(entry, bool) for entry in entries):
        attrs = _slice_attributes(index, input, recorder.batch)
        return recorder.bind(out, recorder.add("slice", (step,), shape=tuple(out.shape), attrs=attrs))
    if any(entry is not Ellipsis and entry != slice(None) for entry in old):
        shape = tuple(recorder.run(torch.Tensor.__getitem__, input.detach(), old).shape)
        step = recorder.add(
            "slice", (step,), shape=shape, attrs=_slice_attributes(old, input, recorder.batch)
        )
    return recorder.bind(
        out,
        recorder.add("reshape", (step,), shape=tuple(out.shape), attrs=batched(out.shape, recorder.batch)),
    )


def _one_list(entries: tuple[Any, ...], input: Tensor) -> tuple[int, tuple[int, ...]] | None:
    """The axis and the places of an index that is a list along one axis and everything along the others."""
    lists = [axis for axis, entry in enumerate(entries) if isinstance(entry, list)]
    if len(lists) != 1 or any(entry != slice(None) for axis, entry in enumerate(entries) if axis != lists[0]):
        return None
    places = entries[lists[0]]
    if not all(isinstance(place, int) and not isinstance(place, bool) for place in places):
        return None
    size = input.shape[lists[0]]
    return lists[0], tuple(place % size for place in places)


def _slice_attributes(index: Any, input: Tensor, batch: int) -> dict[str, AttrValue]:
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
    if any(input.shape[axis] % batch == 0 and depends_on_batch(input.shape[axis], batch) for axis in axes):
        attrs |= approximate("it takes a part of the batch")
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
    attrs: dict[str, AttrValue] = {"axis": axis}
    if any(step is None and tensor.numel() for tensor, step in zip(tensors, steps, strict=True)):
        attrs |= approximate("one of the tensors is constant")
    return recorder.make("concat", sources, shape, dtype, attrs=attrs)


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
    attrs: dict[str, AttrValue] = {"pads": widths}
    mode = str(kwargs.get("mode", args[0] if args and isinstance(args[0], str) else "constant"))
    value = kwargs.get("value", args[-1] if args and isinstance(args[-1], int | float) else None)
    if mode != "constant":
        attrs["mode"] = mode
    elif value:
        attrs["value"] = float(value)
    return recorder.make("pad", (step,), shape, input.dtype, attrs=attrs)


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
    if len(sources) < len(tensors):
        attrs |= approximate("one of the tensors is constant")
    return recorder.make(
        "merge" if len(sources) > 1 else "unary", sources, shape, tensors[0].dtype, attrs=attrs
    )


@handles("interpolate", "upsample", "upsample_nearest", "upsample_bilinear")
def _resize(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    step = recorder.step_of(input)
    out = recorder.run(func, input, *args, **kwargs)
    if step is None:
        return out
    return recorder.result("resize", (step,), out, _resize_attributes(out, args, kwargs))


def _resize_attributes(out: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, AttrValue]:
    names = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias")
    options = {**dict(zip(names, args, strict=False)), **kwargs}
    attrs: dict[str, AttrValue] = {
        "kind": str(options.get("mode") or "nearest"),
        "size": tuple(out.shape[2:]),
    }
    factor = options.get("scale_factor")
    if factor is not None and not options.get("recompute_scale_factor"):
        # torch reads positions by the factor that was given, not by the one that the sizes have.
        attrs["scale"] = tuple(map(float, factor)) if isinstance(factor, tuple | list) else float(factor)
    for name in ("align_corners", "antialias"):
        if options.get(name):
            attrs[name] = True
    return attrs


@handles("select", "narrow", "index_select")
def _part(recorder: Recorder, func: Any, input: Tensor, dim: int, *args: Any, **kwargs: Any) -> Any:
    """A part along one axis; an index of numbers that have values, and no other, is known."""
    out = recorder.run(func, input, dim, *args, **kwargs)
    recorder.view(out, input)
    sources = tuple(recorder.sources([input, args, kwargs]))
    if not sources:
        return out
    step, kind, axis = recorder.step_of(input), function_name(func), dim % max(input.dim(), 1)
    if len(sources) > 1 or step is None:
        return recorder.result("merge" if len(sources) > 1 else "slice", sources, out, {"kind": "index"})
    if kind == "index_select":
        index = args[0] if args else kwargs["index"]
        attrs: dict[str, AttrValue] = {"kind": "index"}
        if isinstance(index, Tensor) and not index.is_meta and index.numel() <= _LONGEST_INDEX:
            attrs = {
                "kind": "index_list",
                "dim": axis,
                "index": tuple(int(place) for place in index.tolist()),
            }
        return recorder.result("unary" if len(attrs) > 1 else "slice", (step,), out, attrs)
    start = args[0] if args else kwargs.get("index", kwargs.get("start"))
    if not isinstance(start, int):
        return recorder.result("slice", (step,), out, {"kind": "index"})
    if kind == "select":
        place = start % input.shape[axis]
        return recorder.result(
            "slice", (step,), out, _slice_attributes((*[slice(None)] * axis, place), input, recorder.batch)
        )
    length = args[1] if len(args) > 1 else kwargs["length"]
    begin = start % input.shape[axis] if start < 0 else start
    entry = slice(begin, begin + length)
    return recorder.result(
        "slice", (step,), out, _slice_attributes((*[slice(None)] * axis, entry), input, recorder.batch)
    )


@handles("diagonal", "take_along_dim", "gather")
def _select(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    out = recorder.run(func, input, *args, **kwargs)
    # Also of fixed numbers: a buffer that is filled part by part becomes a computed value.
    recorder.view(out, input)
    sources = tuple(recorder.sources([input, args, kwargs]))
    if not sources:
        return out
    return recorder.result("slice" if len(sources) == 1 else "merge", sources, out, {"kind": "index"})
