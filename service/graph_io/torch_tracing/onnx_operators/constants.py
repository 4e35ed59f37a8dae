"""Numbers that a file states, or computes from shapes alone."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor

from service.graph_io.torch_tracing.onnx_operators.table import (
    Attrs,
    Inputs,
    NotRun,
    check_size,
    first_input,
    integers,
    operator,
)


@operator("Shape")
def _shape(attrs: Attrs, inputs: Inputs) -> Tensor:
    return torch.tensor(
        list(first_input(inputs).shape)[attrs.get("start", 0) : attrs.get("end")], dtype=torch.int64
    )


@operator("Size")
def _size(attrs: Attrs, inputs: Inputs) -> Tensor:
    return torch.tensor(first_input(inputs).numel(), dtype=torch.int64)


@operator("ConstantOfShape")
def _constant_of_shape(attrs: Attrs, inputs: Inputs) -> Tensor:
    shape = integers(first_input(inputs))
    check_size(shape)
    value = attrs.get("value")
    if value is None:
        return torch.zeros(shape)
    return torch.full(shape, value.reshape(-1)[0].item(), dtype=value.dtype)


@operator("Range")
def _range(attrs: Attrs, inputs: Inputs) -> Tensor:
    if any(value is None or value.is_meta for value in inputs):
        raise NotRun("counts to a number that depends on features")
    start, end, step = (value.item() for value in inputs if value is not None)
    if step == 0:
        raise NotRun("counts by zero")
    check_size([max(0, ceil((end - start) / step))])
    return torch.arange(start, end, step, dtype=first_input(inputs).dtype)


@operator("Constant")
def _constant(attrs: Attrs, inputs: Inputs) -> Tensor:
    for name, dtype in _CONSTANTS.items():
        if name in attrs:
            value = attrs[name]
            return value if isinstance(value, Tensor) else torch.tensor(value, dtype=dtype)
    raise NotRun("is a constant of no kind that is known")


_CONSTANTS = {
    "value": None, "value_float": torch.float32, "value_floats": torch.float32, "value_int": torch.int64,
    "value_ints": torch.int64,
}  # fmt: skip
