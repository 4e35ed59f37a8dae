"""Products of matrices, and convolutions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from service.graph_io.torch_tracing.onnx_operators.padding import as_pad_sides, padding_of
from service.graph_io.torch_tracing.onnx_operators.table import (
    Attrs,
    Inputs,
    NotRun,
    first_input,
    input_at,
    operator,
)


@operator("Gemm")
def _gemm(attrs: Attrs, inputs: Inputs) -> Tensor:
    a, b, c = first_input(inputs), inputs[1], input_at(inputs, 2)
    assert b is not None
    a, b = (a.t() if attrs.get("transA") else a), (b.t() if attrs.get("transB") else b)
    alpha, beta = attrs.get("alpha", 1.0), attrs.get("beta", 1.0)
    product = a @ b if alpha == 1 else alpha * (a @ b)
    if c is None:
        return product
    return product + (c if beta == 1 else beta * c)


@operator("Einsum")
def _einsum(attrs: Attrs, inputs: Inputs) -> Tensor:
    return torch.einsum(attrs["equation"], *inputs)


@operator("Conv")
def _conv(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, weight, bias = first_input(inputs), inputs[1], input_at(inputs, 2)
    assert weight is not None
    kernel = list(weight.shape[2:])
    count = len(kernel)
    before, after = padding_of(attrs, x, kernel)
    if before != after:
        x, before = F.pad(x, as_pad_sides(before, after)), [0] * count
    return torch.convolution(
        x, weight, bias, attrs.get("strides", [1] * count), before, attrs.get("dilations", [1] * count),
        False, [0] * count, attrs.get("group", 1),
    )  # fmt: skip


@operator("ConvTranspose")
def _conv_transpose(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, weight, bias = first_input(inputs), inputs[1], input_at(inputs, 2)
    assert weight is not None
    count = weight.ndim - 2
    if attrs.get("output_shape") or attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise NotRun("names the shape of its output")
    before, after = padding_of(attrs, x, list(weight.shape[2:]))
    even = before == after
    result = torch.convolution(
        x, weight, bias, attrs.get("strides", [1] * count), before if even else [0] * count,
        attrs.get("dilations", [1] * count), True, attrs.get("output_padding", [0] * count),
        attrs.get("group", 1),
    )  # fmt: skip
    return result if even else F.pad(result, [-side for side in as_pad_sides(before, after)])
