"""What each operator of ONNX computes, in torch: for recording the program of a file.

One function an operator: its attributes, its inputs (None for one that is left out), its result. Shapes
and indices that a file computes are tensors on the CPU with values; features and parameters have none
while they are recorded.
Sources: the operators' pages of the ONNX specification, opsets 7 to 23.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, prod
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import Tensor

from service.graph_io.onnx.shapes import same_pads

Attrs = Mapping[str, Any]
Inputs = Sequence[Tensor | None]
Operator = Callable[[Attrs, Inputs], Any]

# Numbers in a tensor that a file computes from numbers alone.
MOST_CONSTANTS = 2**22

OPERATORS: dict[str, Operator] = {}


class NotRun(Exception):
    """Why an operator is not run, in words that follow "it"."""


def operator(*names: str) -> Callable[[Operator], Operator]:
    def register(function: Operator) -> Operator:
        for name in names:
            OPERATORS[name] = function
        return function

    return register


def integers(value: Any) -> list[int]:
    """Whole numbers of an attribute, or of an input that has values."""
    if isinstance(value, Tensor):
        if value.is_meta:
            raise NotRun("reads a shape that depends on the values of features")
        return [int(number) for number in value.reshape(-1).tolist()]
    return [int(number) for number in value]


def _input(inputs: Inputs, index: int) -> Tensor | None:
    return inputs[index] if index < len(inputs) else None


def _first(inputs: Inputs) -> Tensor:
    x = inputs[0]
    if x is None:
        raise NotRun("lacks its first input")
    return x


def _bounded(size: Sequence[int]) -> None:
    if prod(size) > MOST_CONSTANTS:
        raise NotRun(f"makes a tensor of {prod(size):,} numbers")


# Element by element

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
    return lambda attrs, inputs: function(_first(inputs))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    return lambda attrs, inputs: function(inputs[0], inputs[1])  # type: ignore[arg-type]


def _several(function: Callable[[Tensor, Tensor], Tensor]) -> Operator:
    def run(attrs: Attrs, inputs: Inputs) -> Tensor:
        result = _first(inputs)
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
    low, high = (_single(_input(inputs, place), attrs.get(name)) for place, name in ((1, "min"), (2, "max")))
    return _first(inputs) if low is None and high is None else torch.clamp(_first(inputs), low, high)


def _single(value: Tensor | None, default: Any) -> Any:
    if value is None:
        return default
    return value if value.is_meta else value.item()


@operator("LeakyRelu")
def _leaky_relu(attrs: Attrs, inputs: Inputs) -> Tensor:
    return F.leaky_relu(_first(inputs), attrs.get("alpha", 0.01))


@operator("Elu")
def _elu(attrs: Attrs, inputs: Inputs) -> Tensor:
    return F.elu(_first(inputs), attrs.get("alpha", 1.0))


@operator("Celu")
def _celu(attrs: Attrs, inputs: Inputs) -> Tensor:
    return F.celu(_first(inputs), attrs.get("alpha", 1.0))


@operator("Selu")
def _selu(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, alpha = _first(inputs), float(attrs.get("alpha", 1.67326319217681884765625))
    gamma = float(attrs.get("gamma", 1.05070102214813232421875))
    return gamma * torch.where(x > 0, x, alpha * (torch.exp(x) - 1))


@operator("HardSigmoid")
def _hard_sigmoid(attrs: Attrs, inputs: Inputs) -> Tensor:
    alpha, beta = float(attrs.get("alpha", 0.2)), float(attrs.get("beta", 0.5))
    return torch.clamp(alpha * _first(inputs) + beta, 0, 1)


@operator("ThresholdedRelu")
def _thresholded_relu(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = _first(inputs)
    above: Tensor = x > attrs.get("alpha", 1.0)
    return x * above


@operator("PRelu")
def _prelu(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, slope = _first(inputs), inputs[1]
    return torch.where(x < 0, slope * x, x)  # type: ignore[operator]


@operator("Gelu")
def _gelu(attrs: Attrs, inputs: Inputs) -> Tensor:
    return F.gelu(_first(inputs), approximate=attrs.get("approximate", "none"))


@operator("Where")
def _where(attrs: Attrs, inputs: Inputs) -> Tensor:
    return torch.where(inputs[0], inputs[1], inputs[2])  # type: ignore[arg-type]


@operator("Cast")
def _cast(attrs: Attrs, inputs: Inputs) -> Tensor:
    return _first(inputs).to(_torch_format(attrs["to"]))


@operator("CastLike")
def _cast_like(attrs: Attrs, inputs: Inputs) -> Tensor:
    assert inputs[1] is not None
    return _first(inputs).to(inputs[1].dtype)


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


# Products and convolutions


@operator("Gemm")
def _gemm(attrs: Attrs, inputs: Inputs) -> Tensor:
    a, b, c = _first(inputs), inputs[1], _input(inputs, 2)
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


def _padding(attrs: Attrs, x: Tensor, kernel: Sequence[int]) -> tuple[list[int], list[int]]:
    """Numbers before and after each axis of positions."""
    count = len(kernel)
    strides = attrs.get("strides", [1] * count)
    dilations = attrs.get("dilations", [1] * count)
    match attrs.get("auto_pad", "NOTSET"):
        case "NOTSET" | "":
            pads = integers(attrs.get("pads", [0] * (2 * count)))
            return pads[:count], pads[count:]
        case "VALID":
            return [0] * count, [0] * count
        case side:
            begin, end = same_pads(side == "SAME_UPPER", x.shape[2:], kernel, strides, dilations)
            return list(begin), list(end)


def _sides(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """As F.pad takes them: from the last axis to the first."""
    return [number for pair in zip(reversed(before), reversed(after), strict=True) for number in pair]


@operator("Conv")
def _conv(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, weight, bias = _first(inputs), inputs[1], _input(inputs, 2)
    assert weight is not None
    kernel = list(weight.shape[2:])
    count = len(kernel)
    before, after = _padding(attrs, x, kernel)
    if before != after:
        x, before = F.pad(x, _sides(before, after)), [0] * count
    return torch.convolution(
        x, weight, bias, attrs.get("strides", [1] * count), before, attrs.get("dilations", [1] * count),
        False, [0] * count, attrs.get("group", 1),
    )  # fmt: skip


@operator("ConvTranspose")
def _conv_transpose(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, weight, bias = _first(inputs), inputs[1], _input(inputs, 2)
    assert weight is not None
    count = weight.ndim - 2
    if attrs.get("output_shape") or attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise NotRun("names the shape of its output")
    before, after = _padding(attrs, x, list(weight.shape[2:]))
    even = before == after
    result = torch.convolution(
        x, weight, bias, attrs.get("strides", [1] * count), before if even else [0] * count,
        attrs.get("dilations", [1] * count), True, attrs.get("output_padding", [0] * count),
        attrs.get("group", 1),
    )  # fmt: skip
    return result if even else F.pad(result, [-side for side in _sides(before, after)])


# Pooling

_MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE_POOLS: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


@operator("MaxPool")
def _max_pool(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, kernel = _first(inputs), integers(attrs["kernel_shape"])
    before, after = _padding(attrs, x, kernel)
    if before != after or any(2 * pad > k for pad, k in zip(before, kernel, strict=True)):
        x, before = F.pad(x, _sides(before, after), value=float("-inf")), [0] * len(kernel)
    return _MAX_POOLS[len(kernel)](  # type: ignore[no-any-return]
        x, kernel, attrs.get("strides", [1] * len(kernel)), before,
        attrs.get("dilations", [1] * len(kernel)), bool(attrs.get("ceil_mode", 0)),
    )  # fmt: skip


@operator("AveragePool")
def _average_pool(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, kernel = _first(inputs), integers(attrs["kernel_shape"])
    before, after = _padding(attrs, x, kernel)
    counted = bool(attrs.get("count_include_pad", 0))
    if any(number != 1 for number in attrs.get("dilations", [1])):
        raise NotRun("averages with gaps")
    if before != after:
        if not counted:
            raise NotRun("averages over uneven padding")
        x, before = F.pad(x, _sides(before, after)), [0] * len(kernel)
    return _AVERAGE_POOLS[len(kernel)](
        x, kernel, attrs.get("strides", [1] * len(kernel)), before, bool(attrs.get("ceil_mode", 0)), counted
    )


@operator("GlobalAveragePool")
def _global_average(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = _first(inputs)
    return x.mean(dim=list(range(2, x.ndim)), keepdim=True)


@operator("GlobalMaxPool")
def _global_max(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = _first(inputs)
    return x.amax(dim=list(range(2, x.ndim)), keepdim=True)


# Norms


@operator("LayerNormalization")
def _layer_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, axis = _first(inputs), attrs.get("axis", -1)
    shape = x.shape[axis % x.ndim :]
    return F.layer_norm(x, shape, _input(inputs, 1), _input(inputs, 2), attrs.get("epsilon", 1e-5))


@operator("RMSNormalization")
def _rms_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, axis = _first(inputs), attrs.get("axis", -1)
    return F.rms_norm(x, x.shape[axis % x.ndim :], _input(inputs, 1), attrs.get("epsilon", 1e-5))


@operator("InstanceNormalization")
def _instance_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    return F.instance_norm(
        _first(inputs), weight=_input(inputs, 1), bias=_input(inputs, 2), eps=attrs.get("epsilon", 1e-5)
    )


@operator("GroupNormalization")
def _group_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, scale = _first(inputs), inputs[1]
    assert scale is not None
    if scale.shape[0] != x.shape[1]:
        raise NotRun("scales groups, not channels")
    return F.group_norm(x, attrs["num_groups"], scale, _input(inputs, 2), attrs.get("epsilon", 1e-5))


@operator("LRN")
def _local_response_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    alpha, beta, bias = attrs.get("alpha", 1e-4), attrs.get("beta", 0.75), attrs.get("bias", 1.0)
    return F.local_response_norm(_first(inputs), attrs["size"], alpha, beta, bias)


@operator("LpNormalization")
def _lp_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    return F.normalize(_first(inputs), p=attrs.get("p", 2), dim=attrs.get("axis", -1))


def _along(function: Callable[..., Tensor]) -> Operator:
    def run(attrs: Attrs, inputs: Inputs) -> Tensor:
        x = _first(inputs)
        if attrs["opset"] >= 13:
            return function(x, dim=attrs.get("axis", -1))
        axis = attrs.get("axis", 1) % x.ndim
        return function(x.flatten(axis) if axis < x.ndim - 1 else x, dim=-1).reshape(x.shape)

    return run


OPERATORS["Softmax"] = _along(torch.softmax)
OPERATORS["LogSoftmax"] = _along(torch.log_softmax)


# Reductions


def _reduction(function: Callable[[Tensor, list[int], bool], Tensor]) -> Operator:
    def run(attrs: Attrs, inputs: Inputs) -> Tensor:
        x, axes = _first(inputs), _input(inputs, 1)
        chosen = integers(axes if axes is not None else attrs.get("axes", []))
        if not chosen:
            if attrs.get("noop_with_empty_axes"):
                return x
            chosen = list(range(x.ndim))
        return function(x, chosen, bool(attrs.get("keepdims", 1)))

    return run


OPERATORS.update(
    ReduceMean=_reduction(lambda x, axes, keep: x.mean(axes, keepdim=keep)),
    ReduceSum=_reduction(lambda x, axes, keep: x.sum(axes, keepdim=keep)),
    ReduceMax=_reduction(lambda x, axes, keep: x.amax(axes, keepdim=keep)),
    ReduceMin=_reduction(lambda x, axes, keep: x.amin(axes, keepdim=keep)),
    ReduceL1=_reduction(lambda x, axes, keep: x.abs().sum(axes, keepdim=keep)),
    ReduceL2=_reduction(lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt()),
    ReduceSumSquare=_reduction(lambda x, axes, keep: x.square().sum(axes, keepdim=keep)),
    ReduceLogSumExp=_reduction(lambda x, axes, keep: x.logsumexp(axes, keepdim=keep)),
)


@operator("ReduceProd")
def _reduce_prod(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, axes = _first(inputs), _input(inputs, 1)
    chosen = integers(axes if axes is not None else attrs.get("axes", range(x.ndim)))
    for axis in sorted((axis % x.ndim for axis in chosen), reverse=True):
        x = x.prod(axis, keepdim=bool(attrs.get("keepdims", 1)))
    return x


@operator("ArgMax", "ArgMin")
def _argmax(attrs: Attrs, inputs: Inputs) -> Tensor:
    if attrs.get("select_last_index"):
        raise NotRun("gives the last of equal places")
    function = torch.argmax if attrs["operator"] == "ArgMax" else torch.argmin
    return function(_first(inputs), dim=attrs.get("axis", 0), keepdim=bool(attrs.get("keepdims", 1)))


@operator("CumSum")
def _cumsum(attrs: Attrs, inputs: Inputs) -> Tensor:
    if attrs.get("exclusive") or attrs.get("reverse"):
        raise NotRun("sums backwards or without the number itself")
    assert inputs[1] is not None
    return _first(inputs).cumsum(integers(inputs[1])[0])


# Layout


@operator("Reshape")
def _reshape(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = _first(inputs)
    shape = integers(inputs[1] if len(inputs) > 1 and inputs[1] is not None else attrs["shape"])
    if not attrs.get("allowzero"):
        shape = [x.shape[axis] if side == 0 else side for axis, side in enumerate(shape)]
    return x.reshape(shape)


@operator("Flatten")
def _flatten(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = _first(inputs)
    axis = attrs.get("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


@operator("Transpose")
def _transpose(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = _first(inputs)
    return x.permute(attrs.get("perm", list(reversed(range(x.ndim)))))


@operator("Squeeze")
def _squeeze(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, axes = _first(inputs), _input(inputs, 1)
    chosen = integers(axes if axes is not None else attrs.get("axes", []))
    axes_of_one = chosen or [axis for axis, side in enumerate(x.shape) if side == 1]
    return x.squeeze(tuple(axis % x.ndim for axis in axes_of_one))


@operator("Unsqueeze")
def _unsqueeze(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, axes = _first(inputs), _input(inputs, 1)
    chosen = integers(axes if axes is not None else attrs["axes"])
    for axis in sorted(axis % (x.ndim + len(chosen)) for axis in chosen):
        x = x.unsqueeze(axis)
    return x


@operator("Concat")
def _concat(attrs: Attrs, inputs: Inputs) -> Tensor:
    return torch.cat([x for x in inputs if x is not None], attrs["axis"])


@operator("Split")
def _split(attrs: Attrs, inputs: Inputs) -> Sequence[Tensor]:
    x, axis, sizes = _first(inputs), attrs.get("axis", 0), _input(inputs, 1)
    if sizes is not None or attrs.get("split"):
        return torch.split(x, integers(sizes if sizes is not None else attrs["split"]), axis)
    count = attrs.get("num_outputs", attrs["outputs"])
    return torch.split(x, ceil(x.shape[axis] / count), axis)


@operator("Slice")
def _slice(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = _first(inputs)
    starts, ends, axes, steps = (
        integers(value) if value is not None else None
        for value in (
            _input(inputs, 1) if len(inputs) > 1 else attrs.get("starts"),
            _input(inputs, 2) if len(inputs) > 1 else attrs.get("ends"),
            _input(inputs, 3) if len(inputs) > 1 else attrs.get("axes"),
            _input(inputs, 4),
        )
    )
    assert starts is not None and ends is not None
    axes = axes or list(range(len(starts)))
    for start, end, axis, step in zip(starts, ends, axes, steps or [1] * len(starts), strict=True):
        size = x.shape[axis]
        if step > 0:
            first, last, _ = slice(start, end, step).indices(size)
            x = x.narrow(axis, 0, 0) if last <= first else _strided(x, axis, first, last, step)
        else:
            indices = list(range(size))[slice(start, None if end < -size else end, step)]
            x = x.index_select(axis, torch.tensor(indices, dtype=torch.int64))
    return x


def _strided(x: Tensor, axis: int, first: int, last: int, step: int) -> Tensor:
    index: list[Any] = [slice(None)] * x.ndim
    index[axis] = slice(first, last, step)
    return x[tuple(index)]


@operator("Gather")
def _gather(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, indices = _first(inputs), inputs[1]
    assert indices is not None
    axis = attrs.get("axis", 0) % x.ndim
    if not indices.is_meta:
        size = x.shape[axis]
        if indices.ndim == 0:
            return x.select(axis, int(indices))
        indices = torch.where(indices < 0, indices + size, indices)
    result = x.index_select(axis, indices.reshape(-1).to(torch.int64))
    return result.reshape(*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])


@operator("GatherElements")
def _gather_elements(attrs: Attrs, inputs: Inputs) -> Tensor:
    assert inputs[1] is not None
    return torch.gather(_first(inputs), attrs.get("axis", 0), inputs[1])


@operator("Expand")
def _expand(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = _first(inputs)
    assert inputs[1] is not None
    shape = integers(inputs[1])
    longest = max(x.ndim, len(shape))
    ours = [1] * (longest - x.ndim) + list(x.shape)
    theirs = [1] * (longest - len(shape)) + shape
    return x.expand([b if a == 1 else a for a, b in zip(ours, theirs, strict=True)])


@operator("Tile")
def _tile(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = _first(inputs)
    assert inputs[1] is not None
    repeats = integers(inputs[1])
    if not x.is_meta:
        _bounded([x.numel(), *repeats])
    return x.repeat(repeats)


@operator("Pad")
def _pad(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, value, axes = _first(inputs), _input(inputs, 2), _input(inputs, 3)
    pads = integers(inputs[1] if len(inputs) > 1 and inputs[1] is not None else attrs["pads"])
    half = len(pads) // 2
    before, after = [0] * x.ndim, [0] * x.ndim
    for place, axis in enumerate(integers(axes) if axes is not None else range(half)):
        before[axis], after[axis] = pads[place], pads[half + place]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}[
        attrs.get("mode", "constant")
    ]
    if not x.is_meta:
        _bounded([side + max(0, a) + max(0, b) for side, a, b in zip(x.shape, before, after, strict=True)])
    if mode == "constant":
        filled = 0.0 if value is None else float(_single(value, 0.0))
        return F.pad(x, _sides(before, after), value=filled)
    if any(before[:2]) or any(after[:2]):
        raise NotRun("pads the batch or the channels by their neighbours")
    return F.pad(x, _sides(before[2:], after[2:]), mode=mode)


@operator("DepthToSpace")
def _depth_to_space(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, side = _first(inputs), attrs["blocksize"]
    if attrs.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, side)
    n, c, h, w = x.shape
    moved = x.reshape(n, side, side, c // side**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return moved.reshape(n, c // side**2, h * side, w * side)


@operator("SpaceToDepth")
def _space_to_depth(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, side = _first(inputs), attrs["blocksize"]
    n, c, h, w = x.shape
    moved = x.reshape(n, c, h // side, side, w // side, side).permute(0, 3, 5, 1, 2, 4)
    return moved.reshape(n, c * side**2, h // side, w // side)


@operator("Trilu")
def _trilu(attrs: Attrs, inputs: Inputs) -> Tensor:
    diagonal = _input(inputs, 1)
    k = 0 if diagonal is None else integers(diagonal)[0]
    return (torch.triu if attrs.get("upper", 1) else torch.tril)(_first(inputs), k)


@operator("Resize", "Upsample")
def _resize(attrs: Attrs, inputs: Inputs) -> Tensor:
    x = _first(inputs)
    place = 2 if attrs["operator"] == "Resize" and attrs["opset"] >= 11 else 1
    scales, sizes = _input(inputs, place), _input(inputs, 3)
    mode, transform = attrs.get("mode", "nearest"), attrs.get("coordinate_transformation_mode", "half_pixel")
    if (
        attrs.get("axes")
        or attrs.get("antialias")
        or attrs.get("keep_aspect_ratio_policy", "stretch") != "stretch"
    ):
        raise NotRun("resizes chosen axes, or smooths first")
    if attrs["operator"] == "Upsample" or attrs["opset"] < 11:
        transform = "asymmetric"
    if mode == "nearest":
        torch_mode, corners = _nearest(attrs, transform), None
    elif transform in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        torch_mode = _INTERPOLATIONS[mode][x.ndim - 3] if mode in _INTERPOLATIONS else ""
        corners = transform == "align_corners"
        if mode == "cubic" and attrs.get("cubic_coeff_a", -0.75) != -0.75:
            raise NotRun("interpolates with a coefficient of its own")
    else:
        torch_mode, corners = "", None
    if not torch_mode:
        raise NotRun(f"resizes by {mode} with {transform}")
    if sizes is not None and sizes.numel():
        return F.interpolate(x, size=integers(sizes)[2:], mode=torch_mode, align_corners=corners)
    factors = [float(f) for f in (scales.tolist() if scales is not None else attrs["scales"])]
    if factors[:2] != [1.0, 1.0]:
        raise NotRun("resizes the batch or the channels")
    return F.interpolate(x, scale_factor=factors[2:], mode=torch_mode, align_corners=corners)


_INTERPOLATIONS = {"linear": ("linear", "bilinear", "trilinear"), "cubic": ("", "bicubic", "")}


def _nearest(attrs: Attrs, transform: str) -> str:
    rounding = attrs.get("nearest_mode", "round_prefer_floor")
    if transform == "asymmetric" and (
        rounding == "floor" or attrs["operator"] == "Upsample" or attrs["opset"] < 11
    ):
        return "nearest"
    return ""


# Numbers about shapes


@operator("Shape")
def _shape(attrs: Attrs, inputs: Inputs) -> Tensor:
    return torch.tensor(
        list(_first(inputs).shape)[attrs.get("start", 0) : attrs.get("end")], dtype=torch.int64
    )


@operator("Size")
def _size(attrs: Attrs, inputs: Inputs) -> Tensor:
    return torch.tensor(_first(inputs).numel(), dtype=torch.int64)


@operator("ConstantOfShape")
def _constant_of_shape(attrs: Attrs, inputs: Inputs) -> Tensor:
    shape = integers(_first(inputs))
    _bounded(shape)
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
    _bounded([max(0, ceil((end - start) / step))])
    return torch.arange(start, end, step, dtype=_first(inputs).dtype)


def attributes_of(node: onnx.NodeProto, opset: int) -> dict[str, Any]:
    """Attributes as Python's values, with those of their context: opset, operator, outputs (how many)."""
    values: dict[str, Any] = {"opset": opset, "operator": node.op_type, "outputs": len(node.output)}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif isinstance(value, onnx.TensorProto):
            value = tensor_of(value)
        elif isinstance(value, onnx.GraphProto | onnx.SparseTensorProto):
            raise NotRun(f"is a {node.op_type}, with a graph inside")
        values[attribute.name] = value
    return values


def tensor_of(proto: onnx.TensorProto) -> Tensor:
    array = onnx.numpy_helper.to_array(proto)
    return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape).copy())


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
