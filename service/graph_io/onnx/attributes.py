"""Our operator and its attributes for an ONNX operator of which no rule says that it computes the same."""

from __future__ import annotations

from collections.abc import Callable

from service.graph_io.archgraph import AttrValue
from service.graph_io.onnx.op import Op
from service.graph_io.onnx.shapes import per_axis, spatial_pads, squeeze_axes
from service.graph_io.onnx.values import Value

Attributes = dict[str, AttrValue]
Node = tuple[str, Attributes]
Read = Callable[[Op, list[Value]], Node]

_CLIPS = {(0.0, 6.0): "relu6", (0.0, 1.0): "clip01", (-1.0, 1.0): "hardtanh"}


def named(name: str, **attrs: AttrValue) -> Read:
    """Always the same operator and attributes."""
    return lambda op, values: (name, dict(attrs))


def kind(op: Op, values: list[Value]) -> Node:
    """A function that goes by the name of the ONNX operator."""
    return "unary", {"kind": op.type.lower()}


def _windows(op: Op, values: list[Value]) -> Attributes:
    kernel = op.attrs.get("kernel_shape")
    if not kernel:
        return {}
    rank = len(kernel)
    shape = values[0].shape
    begin, end = spatial_pads(
        op, rank, kernel, shape[2:] if shape is not None and len(shape) == rank + 2 else None
    )
    return {
        "kernel_size": kernel,
        "stride": per_axis(op, "strides", rank, 1),
        # Windows that are padded on one side only count as padded there on both.
        "padding": tuple(max(pair) for pair in zip(begin, end, strict=True)),
        "ceil_mode": bool(op.attrs.get("ceil_mode", 0)),
    }


def average(op: Op, values: list[Value]) -> Node:
    attrs = _windows(op, values)
    return "avg_pool", attrs | {"count_include_pad": bool(op.attrs.get("count_include_pad", 0))}


def average_or_global(op: Op, values: list[Value]) -> Node:
    return ("global_avg_pool", adaptive(op, values)) if covers_all(op, values) else average(op, values)


def maximum(op: Op, values: list[Value]) -> Node:
    attrs = _windows(op, values)
    dilation = op.attrs.get("dilations")
    return "max_pool", {**attrs, "dilation": dilation} if dilation and max(dilation) > 1 else attrs


def reshape(op: Op, values: list[Value]) -> Node:
    target = op.attrs.get("shape") or (values[1].ints() if len(values) > 1 else None)
    return "reshape", {} if target is None else {"shape": tuple(target)}


def permute(op: Op, values: list[Value]) -> Node:
    return "permute", {"axes": tuple(op.attrs["perm"])} if "perm" in op.attrs else {}


def squeeze(op: Op, values: list[Value]) -> Node:
    axes = squeeze_axes(op, values)
    return "reshape", {"kind": op.type.lower(), **({} if axes is None else {"axes": tuple(axes)})}


def along(name: str, default: int) -> Read:
    """An operator along one axis."""
    return lambda op, values: (name, {"axis": int(op.attrs.get("axis", default))})


def flatten(op: Op, values: list[Value]) -> Node:
    return "flatten", {"start_axis": int(op.attrs.get("axis", 1))}


def pad(op: Op, values: list[Value]) -> Node:
    pads = op.attrs.get("pads") or op.attrs.get("paddings") or (values[1].ints() if len(values) > 1 else None)
    mode = op.attrs.get("mode", "constant")
    return "pad", {"mode": mode, **({} if pads is None else {"pads": tuple(pads)})}


def gathered(op: Op, values: list[Value]) -> Attributes:
    """Of a slice that is a Gather with a fixed index."""
    index = values[1].ints() if len(values) > 1 else None
    attrs: Attributes = {"kind": "gather", "axis": int(op.attrs.get("axis", 0))}
    return attrs | ({} if index is None else {"index": index})


def part(op: Op, values: list[Value]) -> Node:
    attrs: Attributes = {}
    for place, name in enumerate(("starts", "ends", "axes", "steps"), start=1):
        numbers = op.attrs.get(name) or (values[place].ints() if len(values) > place else None)
        if numbers:
            attrs[name] = tuple(numbers)
    return "slice", attrs


def clip(op: Op, values: list[Value]) -> Node:
    return "activation", {"kind": _clip_kind(op, values)}


def _clip_kind(op: Op, values: list[Value]) -> str:
    low, high = op.attrs.get("min"), op.attrs.get("max")
    if len(values) > 1 and low is None:
        low = values[1].scalar()
    if len(values) > 2 and high is None:
        high = values[2].scalar()
    if low is None or high is None:
        return "clip"
    return _CLIPS.get((float(low), float(high)), "clip")


def heads(op: Op, values: list[Value]) -> dict[str, AttrValue]:
    heads = op.attrs.get("q_num_heads") or op.attrs.get("num_heads")
    shape = values[0].shape
    if heads is None and shape is not None and len(shape) == 4:
        heads = shape[1]
    return {} if heads is None else {"heads": int(heads)}


def covers_all(op: Op, values: list[Value]) -> bool:
    """Whether a pooling sees everything at once, or is what an adaptive pooling of fitting size becomes (1x1
    windows).
    """
    kernel, shape = op.attrs.get("kernel_shape", ()), values[0].shape
    if not kernel:
        return False
    if all(size == 1 for size in kernel) and all(stride == 1 for stride in op.attrs.get("strides", (1,))):
        return True
    return (
        shape is not None
        and len(shape) == len(kernel) + 2
        and tuple(shape[2:]) == tuple(kernel)
        and max(kernel) > 1
    )


def adaptive(op: Op, values: list[Value]) -> dict[str, AttrValue]:
    shape = values[0].shape
    if (
        all(size == 1 for size in op.attrs["kernel_shape"])
        and shape is not None
        and len(shape) > 2
        and None not in shape[2:]
    ):
        return {"output_size": tuple(int(dim or 1) for dim in shape[2:])}
    return {}


def spatial(axes: tuple[int, ...], rank: int | None) -> bool:
    """Whether these are all axes of positions of (N, C, H, W), (N, H, W, C) and their 3-D kin."""
    if rank is None:
        return axes in ((2, 3), (-2, -1), (1, 2))
    return rank > 3 and axes in (tuple(range(2, rank)), tuple(range(1, rank - 1)))
