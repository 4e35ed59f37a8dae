"""Operators that compute each number by itself."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor

from service.graph_io.torch_tracing.onnx_operators.table import (
    OPERATORS,
    Attrs,
    Inputs,
    NotRun,
    Operator,
    first_input,
    input_at,
    operator,
    single,
)

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "Relu": F.relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Exp": torch.exp, "Log": torch.log,
    "Sqrt": torch.sqrt, "Reciprocal": torch.reciprocal, "Neg": torch.neg, "Abs": torch.abs, "Erf": torch.erf,
    "Floor": torch.floor, "Ceil": torch.ceil, "Round": torch.round, "Sin": torch.sin, "Cos": torch.cos,
    "Tan": torch.tan, "Asin": torch.asin, "Acos": torch.acos, "Atan": torch.atan, "Sinh": torch.sinh,
    "Cosh": torch.cosh, "Asinh": torch.asinh, "Acosh": torch.acosh, "Atanh": torch.atanh, "Sign": torch.sign,
    "Softplus": F.softplus, "Softsign": F.softsign, "Mish": F.mish, "HardSwish": F.hardswish,
    "Not": torch.logical_not, "IsNaN": torch.isnan, "Identity": lambda x: x, "Dropout": lambda x: x,
}  # fmt: skip
_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Pow": torch.pow, "And": torch.logical_and,
    "Or": torch.logical_or, "Xor": torch.logical_xor, "Equal": torch.eq, "Greater": torch.gt,
    "Less": torch.lt, "GreaterOrEqual": torch.ge, "LessOrEqual": torch.le, "MatMul": torch.matmul,
}  # fmt: skip
_SEVERAL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Max": torch.maximum, "Min": torch.minimum, "Sum": torch.add,
}  # fmt: skip


def _unary(function: Callable[[Tensor], Tensor]) -> Operator:
    return lambda attrs, inputs: function(first_input(inputs))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda attrs, inputs: function(inputs[0], inputs[1])  # type: ignore[arg-type]


def _several(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    def run(attrs: Attrs, inputs: Inputs) -> Tensor:
        result = first_input(inputs)
        for other in inputs[1:]:
            result = function(result, other)  # type: ignore[arg-type]
        return result

    return run


OPERATORS.update({name: _unary(function) for name, function in _UNARY.items()})
OPERATORS.update({name: _binary(function) for name, function in _BINARY.items()})
OPERATORS.update({name: _several(function) for name, function in _SEVERAL.items()})


@operator("Div")
def _div(attrs: Attrs, inputs: Inputs) -> Tensor:
    a, b = inputs[0], inputs[1]
    assert a is not None and b is not None
    whole = not a.is_floating_point() and not b.is_floating_point()
    return torch.div(a, b, rounding_mode="trunc") if whole else torch.div(a, b)


@operator("Mod")
def _mod(attrs: Attrs, inputs: Inputs) -> Tensor:
    a, b = inputs[0], inputs[1]
    assert a is not None and b is not None
    return torch.fmod(a, b) if attrs.get("fmod") else torch.remainder(a, b)


@operator("Mean")
def _mean(attrs: Attrs, inputs: Inputs) -> Tensor:
    return OPERATORS["Sum"](attrs, inputs) / len(inputs)  # type: ignore[no-any-return]


@operator("Clip")
def _clip(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = first_input(inputs)
    low = single(input_at(inputs, 1), attrs.get("min"))
    high = single(input_at(inputs, 2), attrs.get("max"))
    return x if low is None and high is None else torch.clamp(x, low, high)


@operator("LeakyRelu")
def _leaky_relu(attrs: Attrs, inputs: Inputs) -> Tensor:
    return F.leaky_relu(first_input(inputs), attrs.get("alpha", 0.01))


@operator("Elu")
def _elu(attrs: Attrs, inputs: Inputs) -> Tensor:
    return F.elu(first_input(inputs), attrs.get("alpha", 1.0))


@operator("Celu")
def _celu(attrs: Attrs, inputs: Inputs) -> Tensor:
    return F.celu(first_input(inputs), attrs.get("alpha", 1.0))


@operator("Selu")
def _selu(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, alpha = first_input(inputs), float(attrs.get("alpha", 1.67326319217681884765625))
    gamma = float(attrs.get("gamma", 1.05070102214813232421875))
    return gamma * torch.where(x > 0, x, alpha * (torch.exp(x) - 1))


@operator("HardSigmoid")
def _hard_sigmoid(attrs: Attrs, inputs: Inputs) -> Tensor:
    alpha, beta = float(attrs.get("alpha", 0.2)), float(attrs.get("beta", 0.5))
    return torch.clamp(alpha * first_input(inputs) + beta, 0, 1)


@operator("ThresholdedRelu")
def _thresholded_relu(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = first_input(inputs)
    above: Tensor = x > attrs.get("alpha", 1.0)
    return x * above


@operator("PRelu")
def _prelu(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, slope = first_input(inputs), inputs[1]
    return torch.where(x < 0, slope * x, x)  # type: ignore[operator]


@operator("Gelu")
def _gelu(attrs: Attrs, inputs: Inputs) -> Tensor:
    return F.gelu(first_input(inputs), approximate=attrs.get("approximate", "none"))


@operator("Where")
def _where(attrs: Attrs, inputs: Inputs) -> Tensor:
    return torch.where(inputs[0], inputs[1], inputs[2])  # type: ignore[arg-type]


@operator("Cast")
def _cast(attrs: Attrs, inputs: Inputs) -> Tensor:
    return first_input(inputs).to(_torch_format(attrs["to"]))


@operator("CastLike")
def _cast_like(attrs: Attrs, inputs: Inputs) -> Tensor:
    assert inputs[1] is not None
    return first_input(inputs).to(inputs[1].dtype)


def _torch_format(kind: int) -> torch.dtype:
    formats = {
        onnx.TensorProto.FLOAT: torch.float32, onnx.TensorProto.DOUBLE: torch.float64,
        onnx.TensorProto.FLOAT16: torch.float16, onnx.TensorProto.BFLOAT16: torch.bfloat16,
        onnx.TensorProto.INT64: torch.int64, onnx.TensorProto.INT32: torch.int32,
        onnx.TensorProto.INT16: torch.int16, onnx.TensorProto.INT8: torch.int8,
        onnx.TensorProto.UINT8: torch.uint8, onnx.TensorProto.BOOL: torch.bool,
    }  # fmt: skip
    if kind not in formats:
        raise NotRun(f"casts to number format {kind}")
    return formats[kind]
