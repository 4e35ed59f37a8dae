"""Pooling over positions."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from service.graph_io.torch_tracing.onnx_operators.padding import as_pad_sides, padding_of
from service.graph_io.torch_tracing.onnx_operators.table import (
    Attrs,
    Inputs,
    NotRun,
    first_input,
    integers,
    operator,
)

_MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE_POOLS: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


@operator("MaxPool")
def _max_pool(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, kernel = first_input(inputs), integers(attrs["kernel_shape"])
    before, after = padding_of(attrs, x, kernel)
    if before != after or any(2 * pad > k for pad, k in zip(before, kernel, strict=True)):
        x, before = F.pad(x, as_pad_sides(before, after), value=float("-inf")), [0] * len(kernel)
    return _MAX_POOLS[len(kernel)](  # type: ignore[no-any-return]
        x, kernel, attrs.get("strides", [1] * len(kernel)), before,
        attrs.get("dilations", [1] * len(kernel)), bool(attrs.get("ceil_mode", 0)),
    )  # fmt: skip


@operator("AveragePool")
def _average_pool(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, kernel = first_input(inputs), integers(attrs["kernel_shape"])
    before, after = padding_of(attrs, x, kernel)
    counted = bool(attrs.get("count_include_pad", 0))
    if any(number != 1 for number in attrs.get("dilations", [1])):
        raise NotRun("averages with gaps")
    if before != after:
        if not counted:
            raise NotRun("averages over uneven padding")
        x, before = F.pad(x, as_pad_sides(before, after)), [0] * len(kernel)
    return _AVERAGE_POOLS[len(kernel)](
        x, kernel, attrs.get("strides", [1] * len(kernel)), before, bool(attrs.get("ceil_mode", 0)), counted
    )


@operator("GlobalAveragePool")
def _global_average(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = first_input(inputs)
    return x.mean(dim=list(range(2, x.ndim)), keepdim=True)


@operator("GlobalMaxPool")
def _global_max(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = first_input(inputs)
    return x.amax(dim=list(range(2, x.ndim)), keepdim=True)
