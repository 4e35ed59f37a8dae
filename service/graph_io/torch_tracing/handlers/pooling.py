"""Pooling over windows and over everything, and means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.torch_tracing.handlers.layers import per_axis
from service.graph_io.torch_tracing.recorder import HANDLERS, Recorder, handles


def _max_pool(axes: int) -> Callable[..., Any]:
    def handler(
        recorder: Recorder,
        func: Any,
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        step = recorder.step_of(input)
        out = recorder.run(
            func,
            input,
            kernel_size,
            stride,
            padding,
            dilation,
            ceil_mode=ceil_mode,
            **_indices(return_indices),
        )
        if step is None:
            return out
        attrs: dict[str, AttrValue] = {
            "kernel_size": per_axis(kernel_size, axes),
            "stride": per_axis(stride or kernel_size, axes),
            "padding": per_axis(padding, axes),
            "dilation": per_axis(dilation, axes),
            "ceil_mode": bool(ceil_mode),
        }
        return recorder.result("max_pool", (step,), out, attrs)

    return handler


def _indices(is_set: bool) -> dict[str, bool]:
    # torch.max_pool2d does not know the argument; torch.nn.functional's does.
    return {"return_indices": True} if is_set else {}


def _avg_pool(axes: int) -> Callable[..., Any]:
    def handler(
        recorder: Recorder,
        func: Any,
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Any:
        step = recorder.step_of(input)
        divisor = () if divisor_override is None else (divisor_override,)
        out = recorder.run(func, input, kernel_size, stride, padding, ceil_mode, count_include_pad, *divisor)
        if step is None:
            return out
        attrs: dict[str, AttrValue] = {
            "kernel_size": per_axis(kernel_size, axes),
            "stride": per_axis(stride or kernel_size, axes),
            "padding": per_axis(padding, axes),
            "ceil_mode": bool(ceil_mode),
            "count_include_pad": bool(count_include_pad),
        }
        if divisor_override is not None:
            attrs["divisor"] = int(divisor_override)
        return recorder.result("avg_pool", (step,), out, attrs)

    return handler


def _adaptive(op: str, axes: int) -> Callable[..., Any]:
    def handler(
        recorder: Recorder, func: Any, input: Tensor, output_size: Any, *args: Any, **kwargs: Any
    ) -> Any:
        step = recorder.step_of(input)
        if step is None or args or kwargs.get("return_indices"):
            return recorder.other(func, input, output_size, *args, **kwargs)
        shape = tuple(input.shape)
        sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * axes
        if len(shape) <= axes:
            raise RuntimeError(f"pooling over {axes} axes was given the shape {list(shape)}")
        sizes = tuple(
            have if size is None else int(size) for size, have in zip(sizes, shape[-axes:], strict=True)
        )
        return recorder.make(op, (step,), (*shape[:-axes], *sizes), input.dtype, attrs={"output_size": sizes})

    return handler


for _axes in (1, 2, 3):
    for _suffix in (f"{_axes}d", f"{_axes}d_with_indices"):
        HANDLERS[f"max_pool{_suffix}"] = _max_pool(_axes)
        HANDLERS[f"adaptive_max_pool{_suffix}"] = _adaptive("global_max_pool", _axes)
    HANDLERS[f"avg_pool{_axes}d"] = _avg_pool(_axes)
    HANDLERS[f"adaptive_avg_pool{_axes}d"] = _adaptive("global_avg_pool", _axes)


@handles("mean")
def _mean(
    recorder: Recorder, func: Any, input: Tensor, dim: Any = None, keepdim: bool = False, **kwargs: Any
) -> Any:
    """A mean over H and W that keeps them is the global average pooling of the GHN paper; every other mean
    is a plain function.
    """
    step = recorder.step_of(input)
    if step is None:
        return func(input, **kwargs) if dim is None else func(input, dim, keepdim, **kwargs)
    shape, axes = _reduced(input, dim, keepdim, **({"axis": kwargs["axis"]} if "axis" in kwargs else {}))
    if keepdim and input.dim() == 4 and axes == (2, 3):
        return recorder.make("global_avg_pool", (step,), shape, input.dtype, attrs={"output_size": (1, 1)})
    attrs: dict[str, AttrValue] = {"kind": "mean", "axes": axes}
    if keepdim:
        attrs["keepdims"] = True
    return recorder.make("unary", (step,), shape, kwargs.get("dtype") or input.dtype, attrs=attrs)


@handles("sum", "amax", "amin", "logsumexp")
def _reduce(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """Other functions of all numbers along some axes, called as a mean is."""
    step = recorder.step_of(input)
    if step is None or not input.is_floating_point() or kwargs.get("out") is not None:
        return recorder.other(func, input, *args, **kwargs)
    attrs: dict[str, AttrValue] = {"kind": str(getattr(func, "__name__", "sum"))}
    plain = {k: v for k, v in kwargs.items() if k != "dtype"}
    shape, axes = _reduced(input, *args[:2], **plain)
    attrs["axes"] = axes
    if (len(args) > 1 and args[1]) or plain.get("keepdim"):
        attrs["keepdims"] = True
    return recorder.make("unary", (step,), shape, kwargs.get("dtype") or input.dtype, attrs=attrs)


def _reduced(
    input: Tensor, dim: Any = None, keepdim: bool = False, axis: Any = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape that is left, and the axes that were reduced."""
    dim = axis if dim is None else dim
    rank = input.dim()
    chosen = range(rank) if dim is None or dim == () else (dim,) if isinstance(dim, int) else dim
    axes = tuple(sorted(int(axis) % rank for axis in chosen)) if rank else ()
    shape = enumerate(input.shape)
    return tuple(1 if a in axes else size for a, size in shape if keepdim or a not in axes), axes
