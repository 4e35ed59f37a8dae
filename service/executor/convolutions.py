"""Convolutions and linear layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from service.executor.depthwise import depthwise, is_slow_depthwise
from service.executor.node_attributes import (
    Inputs,
    Params,
    Step,
    canonical,
    each,
    parameter_names,
    refusal,
    values_of,
)
from service.executor.pixel_kernels import pixels_read
from service.executor.small_images import number_format
from service.graph_io.archgraph import Node

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _spatial_axes(node: Node) -> int:
    return len(next(p for p in node.params if p.role == "weight").shape) - 2


def conv(node: Node) -> Step:
    values, axes = values_of(node), _spatial_axes(node)
    weight, bias = canonical(node, "weight"), parameter_names(node).get("bias")
    stride, padding, dilation = (each(values[name], axes) for name in ("stride", "padding", "dilation"))
    groups, function = int(values["groups"]), _CONVOLUTIONS[axes]
    uneven = uneven_padding(values["padding_end"], padding)
    if uneven is not None:
        padding = (0,) * axes
    elif axes == 2 and bias is None and is_slow_depthwise(node):
        return lambda inputs, params: depthwise(inputs[0], weight(params), stride, padding, dilation)

    def run(inputs: Inputs, params: Params) -> Tensor:
        x = inputs[0] if uneven is None else F.pad(inputs[0], uneven)
        w = weight(params)
        dtype = number_format(x, stride)
        x, step = pixels_read(x, w.shape[2:], stride, padding)
        b = None if bias is None else params[bias].to(dtype).flatten()
        result = function(x.to(dtype), w.to(dtype), b, step, padding, dilation, groups)
        return result.to(x.dtype)  # type: ignore[no-any-return]

    return run


def convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: list[int], padding: list[int],
    dilation: list[int], transposed: bool, output_padding: list[int], groups: int,
) -> Tensor:  # fmt: skip
    """torch's `convolution` of a program's call; the result has the number format of x."""
    dtype = number_format(x, stride)
    read, step = (x, stride) if transposed else pixels_read(x, weight.shape[2:], stride, padding)
    result = torch.ops.aten.convolution.default(
        read.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype), step, padding,
        dilation, transposed, output_padding, groups,
    )  # fmt: skip
    return result.to(x.dtype)  # type: ignore[no-any-return]


def uneven_padding(end: object, begin: tuple[int, ...]) -> list[int] | None:
    """The widths for torch's `pad` if an axis is padded differently at its two ends, else None."""
    if end is None or (ends := each(end, len(begin))) == begin:  # type: ignore[arg-type]
        return None
    pairs = zip(reversed(begin), reversed(ends), strict=True)
    return [width for pair in pairs for width in pair]


def conv_transpose(node: Node) -> Step:
    values, axes = values_of(node), _spatial_axes(node)
    weight = next(parameter for parameter in node.params if parameter.role == "weight")
    order = tuple(weight.axes or range(axes + 2))
    if order != (1, 0, *range(2, axes + 2)):
        raise refusal(node, "its weight is not stored as (in, out / groups, *kernel)")
    name, bias = weight.name, parameter_names(node).get("bias")
    stride, padding, output_padding, dilation = (
        each(values[key], axes) for key in ("stride", "padding", "output_padding", "dilation")
    )
    groups, function = int(values["groups"]), _TRANSPOSED[axes]

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        dtype = number_format(x, stride)
        b = None if bias is None else params[bias].to(dtype).flatten()
        result = function(
            x.to(dtype), params[name].to(dtype), b, stride, padding, output_padding, groups, dilation
        )
        return result.to(x.dtype)  # type: ignore[no-any-return]

    return run


def linear(node: Node) -> Step:
    values_of(node)
    weight, bias = canonical(node, "weight"), parameter_names(node).get("bias")

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        b = None if bias is None else params[bias].to(x.dtype).flatten()
        return F.linear(x, weight(params).to(x.dtype), b)

    return run


def embedding(node: Node) -> Step:
    if values_of(node)["kind"] is not None:
        raise refusal(node, "it sums over bags of indices")
    weight = canonical(node, "weight")
    return lambda inputs, params: F.embedding(inputs[0].long(), weight(params))
