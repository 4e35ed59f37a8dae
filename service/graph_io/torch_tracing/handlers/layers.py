"""Layers with weights: convolutions, linear layers, norms, look-up tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.torch_tracing.calls import Attrs, approximate
from service.graph_io.torch_tracing.recorder import EXACT_HANDLERS, HANDLERS, Recorder, handles

Weights = tuple[tuple[str, int], ...]


def per_axis(value: Any, axes: int) -> tuple[int, ...]:
    """One number for each axis, from one for all or a sequence."""
    if isinstance(value, tuple | list):  # torch.Size among them
        return tuple(map(int, value)) if len(value) == axes else (int(value[0]),) * axes
    return (int(value),) * axes


def _weights(recorder: Recorder, **tensors: Tensor | None) -> Weights:
    steps = ((role, recorder.step_of(tensor)) for role, tensor in tensors.items() if tensor is not None)
    return tuple((role, step) for role, step in steps if step is not None)


def _fixed_part(recorder: Recorder, **tensors: Tensor | None) -> Attrs:
    """The mark of a layer that has fixed numbers in the place of a parameter."""
    fixed = [
        role for role, tensor in tensors.items() if tensor is not None and recorder.step_of(tensor) is None
    ]
    return approximate(f"its {fixed[0]} is a constant tensor") if fixed else {}


def _data(recorder: Recorder, tensor: Tensor) -> tuple[int, ...]:
    step = recorder.step_of(tensor)
    return () if step is None else (step,)


def _convolution(axes: int) -> Callable[..., Any]:
    def handler(
        recorder: Recorder,
        func: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        sources, weights = _data(recorder, input), _weights(recorder, weight=weight, bias=bias)
        if not weights or weights[0][0] != "weight":
            # A fixed filter, such as a blur.
            return recorder.other(func, input, weight, bias, stride, padding, dilation, groups)
        shape, kernel = tuple(input.shape), tuple(weight.shape)[2:]
        if shape[-axes - 1] != weight.shape[1] * groups:
            raise RuntimeError(
                f"a convolution over {weight.shape[1] * groups} channels was given the shape {list(shape)}"
            )
        strides, dilations = per_axis(stride, axes), per_axis(dilation, axes)
        paddings = _paddings(padding, kernel, dilations)
        sizes = tuple(
            (n + (d * (k - 1) if padding == "same" else 2 * p) - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(shape[-axes:], kernel, strides, paddings, dilations, strict=True)
        )
        if min(sizes) < 1:
            raise RuntimeError(f"a kernel of {list(kernel)} is larger than its input of {list(shape)}")
        attrs: dict[str, AttrValue] = {
            "stride": strides,
            "padding": paddings,
            "dilation": dilations,
            "groups": int(groups),
            **_fixed_part(recorder, bias=bias),
        }
        if padding == "same" and any(d * (k - 1) % 2 for d, k in zip(dilations, kernel, strict=True)):
            # torch pads what is left over at the end.
            attrs["padding_end"] = tuple(
                d * (k - 1) - p for d, k, p in zip(dilations, kernel, paddings, strict=True)
            )
        out_shape = (*shape[: -axes - 1], weight.shape[0], *sizes)
        return recorder.make("conv", sources, out_shape, input.dtype, weights=weights, attrs=attrs)

    return handler


def _paddings(padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    if padding == "valid":
        return (0,) * len(kernel)
    if padding == "same":
        return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    return per_axis(padding, len(kernel))


def _transposed(axes: int) -> Callable[..., Any]:
    def handler(
        recorder: Recorder,
        func: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        sources, weights = _data(recorder, input), _weights(recorder, weight=weight, bias=bias)
        if not weights or weights[0][0] != "weight":
            return recorder.other(
                func, input, weight, bias, stride, padding, output_padding, groups, dilation
            )
        out = recorder.run(func, input, weight, bias, stride, padding, output_padding, groups, dilation)
        attrs: dict[str, AttrValue] = {
            "stride": per_axis(stride, axes),
            "padding": per_axis(padding, axes),
            "dilation": per_axis(dilation, axes),
            "output_padding": per_axis(output_padding, axes),
            "groups": int(groups),
            **_fixed_part(recorder, bias=bias),
        }
        step = recorder.add("conv_transpose", sources, shape=tuple(out.shape), weights=weights, attrs=attrs)
        return recorder.bind(out, step)

    return handler


for _axes in (1, 2, 3):
    HANDLERS[f"conv{_axes}d"] = _convolution(_axes)
    HANDLERS[f"conv_transpose{_axes}d"] = _transposed(_axes)


@handles("deform_conv2d")
def _deformable(
    recorder: Recorder, func: Any, input: Tensor, weight: Tensor, *args: Any, **kwargs: Any
) -> Any:
    """torchvision's operator: (input, weight, offset, mask, bias, ...). A convolution gave the offsets."""
    out = recorder.run(func, input, weight, *args, **kwargs)
    offset, mask, bias = (*args, *[None] * 3)[:3]
    sources = recorder.sources([input, offset, mask])
    merged = recorder.add("merge", tuple(sources), shape=tuple(input.shape), attrs={"kind": "deform"})
    groups = input.shape[1] // weight.shape[1]
    weights = _weights(recorder, weight=weight, bias=bias)
    attrs: dict[str, AttrValue] = {"groups": groups, **approximate("it is a deformable convolution")}
    step = recorder.add("conv", (merged,), shape=tuple(out.shape), weights=weights, attrs=attrs)
    return recorder.bind(out, step)


@handles("linear")
def _linear(recorder: Recorder, func: Any, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    sources, weights = _data(recorder, input), _weights(recorder, weight=weight, bias=bias)
    if not weights or weights[0][0] != "weight" or weight.dim() != 2:
        return recorder.other(func, input, weight, bias)
    shape = tuple(input.shape)
    if shape[-1] != weight.shape[1]:
        raise RuntimeError(
            f"a linear layer over {weight.shape[1]} features was given the shape {list(shape)}"
        )
    attrs = _fixed_part(recorder, bias=bias)
    out_shape = (*shape[:-1], weight.shape[0])
    return recorder.make("linear", sources, out_shape, input.dtype, weights=weights, attrs=attrs)


@handles("bilinear")
def _bilinear(
    recorder: Recorder, func: Any, input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Any:
    out = recorder.run(func, input1, input2, weight, bias)
    return recorder.result(
        "merge", tuple(recorder.sources([input1, input2, weight, bias])), out, {"kind": "bilinear"}
    )


def _norm(
    recorder: Recorder,
    op: str,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    attrs: dict[str, AttrValue],
) -> Tensor | None:
    """None if no tensor of the call depends on an input or a parameter."""
    sources, weights = _data(recorder, input), _weights(recorder, weight=weight, bias=bias)
    if not sources and not weights:
        return None
    described = {**attrs, **_fixed_part(recorder, weight=weight, bias=bias)}
    return recorder.make(op, sources, input.shape, input.dtype, weights=weights, attrs=described)


def _check_channels(input: Tensor, *tensors: Tensor | None) -> None:
    for tensor in tensors:
        if tensor is not None and input.dim() > 1 and tensor.shape[0] != input.shape[1]:
            raise RuntimeError(
                f"a norm over {tensor.shape[0]} channels was given the shape {list(input.shape)}"
            )


@handles("batch_norm")
def _batch_norm(
    recorder: Recorder,
    func: Any,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    _check_channels(input, running_mean, weight)
    out = _norm(recorder, "batch_norm", input, weight, bias, {"eps": float(eps)})
    return (
        func(input, running_mean, running_var, weight, bias, training, momentum, eps) if out is None else out
    )


def _native_batch_norm(
    recorder: Recorder,
    func: Any,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn: bool = False,
) -> Any:
    return _batch_norm(
        recorder, F.batch_norm, input, running_mean, running_var, weight, bias, training, momentum, eps
    )


@handles("instance_norm")
def _instance_norm(
    recorder: Recorder,
    func: Any,
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    _check_channels(input, running_mean, weight)
    attrs: dict[str, AttrValue] = {"eps": float(eps)}
    if not use_input_stats:
        attrs |= approximate("it normalises by running statistics")
    out = _norm(recorder, "instance_norm", input, weight, bias, attrs)
    return (
        func(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
        if out is None
        else out
    )


def _native_instance_norm(
    recorder: Recorder,
    func: Any,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn: bool = False,
) -> Any:
    return _instance_norm(
        recorder,
        F.instance_norm,
        input,
        running_mean,
        running_var,
        weight,
        bias,
        use_input_stats,
        momentum,
        eps,
    )


# torch's own functions take their arguments in another order than torch.nn.functional's of the same name.
EXACT_HANDLERS[torch.batch_norm] = _native_batch_norm
EXACT_HANDLERS[torch.instance_norm] = _native_instance_norm


@handles("group_norm")
def _group_norm(
    recorder: Recorder,
    func: Any,
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *args: Any,
) -> Any:
    _check_channels(input, weight)
    out = _norm(recorder, "group_norm", input, weight, bias, {"groups": int(num_groups), "eps": float(eps)})
    return func(input, num_groups, weight, bias, eps) if out is None else out


def _last_axes_norm(op: str) -> Callable[..., Any]:
    def handler(
        recorder: Recorder,
        func: Any,
        input: Tensor,
        normalized_shape: Any,
        weight: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        axes = tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else (int(normalized_shape),)
        if tuple(input.shape)[-len(axes) :] != axes:
            raise RuntimeError(f"a norm over {list(axes)} was given the shape {list(input.shape)}")
        bias = (args[0] if args else kwargs.get("bias")) if op == "layer_norm" else None
        rest = args[1:] if op == "layer_norm" else args
        eps = rest[0] if rest else kwargs.get("eps")
        attrs: dict[str, AttrValue] = {"eps": 1e-5 if eps is None else float(eps)}
        if op == "rms_norm" and eps is None:
            attrs["eps"] = torch.finfo(input.dtype).eps
        if len(axes) != 1:
            attrs["axes"] = len(axes)
        out = _norm(recorder, op, input, weight, bias, attrs)
        return func(input, normalized_shape, weight, *args, **kwargs) if out is None else out

    return handler


HANDLERS["layer_norm"] = _last_axes_norm("layer_norm")
HANDLERS["rms_norm"] = _last_axes_norm("rms_norm")


@handles("embedding")
def _embedding(
    recorder: Recorder, func: Any, input: Tensor, weight: Tensor, *args: Any, **kwargs: Any
) -> Any:
    """torch.nn.functional takes (input, weight), torch itself (weight, input)."""
    indices, table = (input, weight) if func is F.embedding else (weight, input)
    if indices.is_floating_point():
        raise RuntimeError("a look-up table was given numbers that are not integers")
    weights = _weights(recorder, weight=table)
    if not weights:
        return recorder.other(func, input, weight, *args, **kwargs)
    shape = (*indices.shape, table.shape[1])
    attrs: dict[str, AttrValue] = {}
    if func is F.embedding and (kwargs.get("max_norm") or (len(args) > 1 and args[1])):
        attrs |= approximate("it shortens the vectors that it looks up")
    return recorder.make(
        "embedding", _data(recorder, indices), shape, table.dtype, weights=weights, attrs=attrs
    )


@handles("embedding_bag")
def _embedding_bag(
    recorder: Recorder, func: Any, input: Tensor, weight: Tensor, *args: Any, **kwargs: Any
) -> Any:
    weights = _weights(recorder, weight=weight)
    out = recorder.run(func, input, weight, *args, **kwargs)
    if not weights or not isinstance(out, Tensor):
        return out
    step = recorder.add(
        "embedding", _data(recorder, input), shape=tuple(out.shape), weights=weights, attrs={"kind": "bag"}
    )
    return recorder.bind(out, step)
