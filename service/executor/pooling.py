"""Pooling over windows and over everything, over one, two or three axes of positions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from service.executor.convolutions import uneven_padding
from service.executor.node_attributes import Inputs, Params, Step, each, refusal, values_of
from service.graph_io.archgraph import Node

_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_ADAPTIVE_AVG = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
_ADAPTIVE_MAX = {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d}


def pool(node: Node) -> Step:
    values = values_of(node)
    axes = len(values["kernel_size"]) if isinstance(values["kernel_size"], tuple) else 2
    if axes not in _MAX:
        raise refusal(node, f"its windows have {axes} axes")
    kernel, padding = each(values["kernel_size"], axes), each(values["padding"], axes)
    stride = kernel if values["stride"] is None else each(values["stride"], axes)
    ceil, uneven = bool(values["ceil_mode"]), uneven_padding(values["padding_end"], padding)
    if node.op == "max_pool":
        function, dilation = _MAX[axes], each(values["dilation"], axes)
        if uneven is not None:
            lowest = float("-inf")
            return lambda inputs, _: function(
                F.pad(inputs[0], uneven, value=lowest), kernel, stride, 0, dilation, ceil
            )
        return lambda inputs, _: function(inputs[0], kernel, stride, padding, dilation, ceil)
    if uneven is not None:
        raise refusal(node, "its windows are padded differently at the two ends of an axis")
    return _average(axes, kernel, stride, padding, ceil, bool(values["count_include_pad"]), values["divisor"])


def _average(
    axes: int,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil: bool,
    include: bool,
    divisor: int | None,
) -> Step:
    if axes == 1:
        if divisor is not None:
            # torch has no divisor over one axis: over two, of which one has a single position.
            return lambda inputs, _: F.avg_pool2d(
                inputs[0].unsqueeze(-2), (1, *kernel), (1, *stride), (0, *padding), ceil, include, divisor
            ).squeeze(-2)
        return lambda inputs, _: F.avg_pool1d(inputs[0], kernel, stride, padding, ceil, include)
    function = F.avg_pool2d if axes == 2 else F.avg_pool3d
    return lambda inputs, _: function(inputs[0], kernel, stride, padding, ceil, include, divisor)


def global_pool(node: Node) -> Step:
    values = values_of(node)
    size, keep = values["output_size"], bool(values["keepdims"])
    sizes = size if isinstance(size, tuple) else (size,)
    if all(side == 1 for side in sizes):
        average = node.op == "global_avg_pool"

        def run(inputs: Inputs, _: Params) -> Tensor:
            (x,) = inputs
            axes = tuple(range(2, x.ndim)) if len(sizes) == 1 else tuple(range(x.ndim - len(sizes), x.ndim))
            return x.mean(axes, keepdim=keep) if average else x.amax(axes, keepdim=keep)

        return run
    if not isinstance(size, tuple):
        raise refusal(node, "its output_size is not one number an axis")
    functions = _ADAPTIVE_AVG if node.op == "global_avg_pool" else _ADAPTIVE_MAX
    if len(sizes) not in functions:
        raise refusal(node, f"it pools over {len(sizes)} axes")
    function = functions[len(sizes)]
    return lambda inputs, _: function(inputs[0], sizes)  # type: ignore[no-any-return,arg-type]
