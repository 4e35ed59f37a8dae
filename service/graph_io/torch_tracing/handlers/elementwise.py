"""Functions of one tensor that keep its shape, and questions about a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.functions import function_of
from service.graph_io.torch_tracing.calls import approximate, bound
from service.graph_io.torch_tracing.recorder import (
    EXACT_HANDLERS,
    HANDLERS,
    Recorder,
    function_name,
    handles,
    register_plain,
)

register_plain(
    "shape dtype device layout ndim is_leaf requires_grad grad is_sparse is_quantized is_cuda is_mps "
    "is_cpu is_meta names dim size numel nelement ndimension element_size stride storage_offset "
    "is_contiguous is_floating_point is_complex is_signed get_device itemsize nbytes is_nested is_mkldnn "
    "is_xpu retains_grad __len__ is_same_size result_type is_tensor _assert is_grad_enabled __hash__ "
    "has_names __repr__ __format__ "
    # Fresh numbers, whatever tensor says their shape.
    "empty empty_like zeros zeros_like ones ones_like full full_like arange linspace rand randn randint "
    "randperm tensor eye new_empty new_zeros new_ones new_full new_tensor rand_like randn_like".split()
)

# Named as the property of a tensor is, but its result is computed.
EXACT_HANDLERS[torch.autograd.grad] = Recorder.other

# torch's name is the kind that operators.py calls it.
_ACTIVATIONS = (
    "relu relu6 gelu silu sigmoid tanh hardswish hardsigmoid hardtanh elu selu celu mish softplus leaky_relu "
    "softsign logsigmoid log_sigmoid hardshrink softshrink tanhshrink threshold rrelu".split()
)
_FUNCTIONS = (
    "exp expm1 sqrt rsqrt neg negative abs absolute log log1p log2 clamp clamp_min clamp_max clip square sin "
    "cos erf reciprocal round floor ceil sign nan_to_num sinc atan __neg__ __abs__ tril triu normalize roll "
    "flip fliplr flipud cumsum".split()
)


def _same_shape(op: str, kind: str) -> Callable[..., Any]:
    def handler(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
        step = recorder.step_of(input)
        if (args and recorder.sources(args)) or kwargs.get("out") is not None:
            return recorder.other(func, input, *args, **kwargs)
        if step is None:
            if recorder.has_no_values(input):
                return recorder.empty(input.shape, _dtype_of(func, input, args, kwargs))
            return func(input, *args, **kwargs)
        shape = tuple(input.shape)
        made = recorder.add(op, (step,), shape=shape, attrs=_arguments(recorder, op, kind, args, kwargs))
        if kwargs.get("inplace"):
            return recorder.overwrite(input, made)
        return recorder.bind(recorder.empty(shape, _dtype_of(func, input, args, kwargs)), made)

    return handler


def _dtype_of(func: Any, input: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.dtype:
    """The number format of the result. Only floating-point numbers always keep theirs: the size of a complex
    number is real, the sine of an integer is no integer.
    """
    if input.is_floating_point() and "dtype" not in kwargs:
        return input.dtype
    dtype: torch.dtype = func(input.detach(), *args, **kwargs).dtype
    return dtype


def _same_shape_in_place(op: str, kind: str) -> Callable[..., Any]:
    def handler(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
        step = recorder.step_of(input)
        if step is None or (args and recorder.sources(args)):
            return recorder.other(func, input, *args, **kwargs)
        attrs = _arguments(recorder, op, kind, args, kwargs)
        return recorder.overwrite(input, recorder.add(op, (step,), shape=tuple(input.shape), attrs=attrs))

    return handler


def _arguments(
    recorder: Recorder, op: str, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, AttrValue]:
    function = function_of(op, kind, 1)
    if function is None:
        return {"kind": kind}
    return {"kind": kind, **bound(function.arguments, args, kwargs, recorder.batch)}


# Two names of one function.
_KINDS = {"log_sigmoid": "logsigmoid", "negative": "neg", "absolute": "abs", "clip": "clamp"}

for _name in _ACTIVATIONS:
    _kind = _KINDS.get(_name, _name)
    HANDLERS[_name] = _same_shape("activation", _kind)
    HANDLERS[_name + "_"] = _same_shape_in_place("activation", _kind)
for _name in _FUNCTIONS:
    _kind = _KINDS.get(_name.strip("_"), _name.strip("_"))
    HANDLERS[_name] = _same_shape("unary", _kind)
    HANDLERS[_name + "_"] = _same_shape_in_place("unary", _kind)


@handles("hardtanh", "hardtanh_")
def _hardtanh(
    recorder: Recorder,
    func: Any,
    input: Tensor,
    min_val: float = -1.0,
    max_val: float = 1.0,
    inplace: bool = False,
) -> Any:
    """torch's ReLU6 is a hardtanh between 0 and 6."""
    written = inplace or getattr(func, "__name__", "").endswith("_")
    make = _same_shape_in_place if written else _same_shape
    if (min_val, max_val) == (0, 6):
        return make("activation", "relu6")(recorder, func, input)
    return make("activation", "hardtanh")(recorder, func, input, min_val, max_val)


@handles("gelu")
def _gelu(recorder: Recorder, func: Any, input: Tensor, *, approximate: str = "none") -> Any:
    step = recorder.step_of(input)
    if step is None:
        return recorder.other(func, input, approximate=approximate)
    attrs: dict[str, AttrValue] = {"kind": "gelu", **({"tanh": True} if approximate == "tanh" else {})}
    return recorder.make("activation", (step,), input.shape, input.dtype, attrs=attrs)


@handles("prelu")
def _prelu(recorder: Recorder, func: Any, input: Tensor, weight: Tensor) -> Any:
    step, slope = recorder.step_of(input), recorder.step_of(weight)
    if step is None or slope is None:
        return recorder.other(func, input, weight)
    return recorder.make(
        "activation", (step,), input.shape, input.dtype, weights=(("slope", slope),), attrs={"kind": "prelu"}
    )


@handles("softmax", "log_softmax", "_softmax", "_log_softmax")
def _softmax(
    recorder: Recorder, func: Any, input: Tensor, dim: int | None = None, *args: Any, **kwargs: Any
) -> Any:
    step = recorder.step_of(input)
    if step is None:
        return func(input, dim, *args, **kwargs)
    dtype = kwargs.get("dtype") or input.dtype
    attrs: dict[str, AttrValue] = {"axis": -1 if dim is None else int(dim)}
    if dim is None:
        # torch chooses the axis by the number of axes.
        attrs["axis"] = 0 if input.dim() in (0, 1, 3) else 1
    if "log" in function_name(func):
        attrs["log"] = True
    return recorder.make("softmax", (step,), input.shape, dtype, attrs=attrs)


@handles(
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_dropout",
    "feature_alpha_dropout",
    "contiguous",
    "alias",
    "clone",
    "detach",
    "cpu",
    "cuda",
    "requires_grad_",
    "data",
    "positive",
    "__pos__",
    "dropout_",
    "detach_",
)
def _identity(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    """The same values (dropout: at evaluation), in another tensor."""
    step = recorder.step_of(input)
    if step is None:
        return func(input, *args, **kwargs)
    return recorder.bind(input.detach(), step)


@handles("to", "type", "type_as", "float", "half", "double", "bfloat16")
def _cast(recorder: Recorder, func: Any, input: Tensor, *args: Any, **kwargs: Any) -> Any:
    step = recorder.step_of(input)
    if step is None:
        return func(input, *args, **kwargs)
    dtype = _dtype_in((*args, *kwargs.values()))
    if input.is_floating_point() and dtype is not None and not dtype.is_floating_point:
        out = recorder.empty(input.shape, dtype)
        return recorder.result(
            "unary", (step,), out, {"kind": "cast", **approximate("it rounds to whole numbers")}
        )
    if func is Tensor.to and not recorder.computes:
        # A tensor without values cannot leave the meta device; the number format is all that may change.
        return recorder.bind(input.detach() if dtype is None else input.detach().to(dtype), step)
    return recorder.bind(func(input.detach(), *args, **kwargs), step)


def _dtype_in(values: tuple[Any, ...]) -> torch.dtype | None:
    for value in values:
        if isinstance(value, torch.dtype):
            return value
        if isinstance(value, Tensor):
            return value.dtype
    return None
