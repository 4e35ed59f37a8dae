"""Functions without weights: activations and whatever `graph_io/functions.py` lists."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from service.executor.node_attributes import Step, each, refusal, values_of
from service.graph_io.archgraph import Node
from service.graph_io.functions import ARITHMETIC

# Where torch's own name, or order of arguments, is another one.
_REDUCTIONS = ("mean", "sum", "amax", "amin", "logsumexp")


def _reduce(name: str) -> Callable[..., Tensor]:
    function = getattr(torch, name)

    def run(x: Tensor, axes: Any = None, keepdims: bool = False) -> Tensor:
        chosen = tuple(range(x.ndim)) if axes is None else each(axes, 1)
        return function(x, chosen, keepdim=keepdims)  # type: ignore[no-any-return]

    return run


def _along(name: str) -> Callable[..., Tensor]:
    """A function that reduces one axis, or all without one; of its results the values."""
    function: Callable[..., Any] = getattr(torch, name)

    def run(x: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
        result = function(x) if dim is None else function(x, dim, keepdim=keepdim)
        values: Tensor = result if isinstance(result, Tensor) else result[0]
        return values

    return run


def _spread(name: str) -> Callable[..., Tensor]:
    function = getattr(torch, name)

    def run(x: Tensor, dim: Any = None, correction: float = 1, keepdim: bool = False) -> Tensor:
        axes = None if dim is None else each(dim, 1)
        return function(x, axes, correction=correction, keepdim=keepdim)  # type: ignore[no-any-return]

    return run


def _values(name: str) -> Callable[..., Tensor]:
    function: Callable[..., Any] = getattr(torch, name)

    def run(x: Tensor, **arguments: Any) -> Tensor:
        values: Tensor = function(x, **arguments)[0]
        return values

    return run


def _index_list(x: Tensor, dim: int, index: Any) -> Tensor:
    return x.index_select(dim, torch.tensor(each(index, 1), device=x.device))


def _expand(x: Tensor, shape: Any) -> Tensor:
    return x.expand(each(shape, 1))


def _norm(x: Tensor, p: float = 2.0, dim: Any = None, keepdim: bool = False) -> Tensor:
    return torch.norm(x, p, None if dim is None else list(each(dim, 1)), keepdim)  # type: ignore[no-any-return]


_IMPLEMENTATIONS: dict[str, Callable[..., Any]] = {
    **{name: _reduce(name) for name in _REDUCTIONS},
    **{name: _along(name) for name in ("max", "min", "median", "prod", "argmax", "argmin")},
    **{name: _spread(name) for name in ("var", "std")},
    **{name: _values(name) for name in ("topk", "sort")},
    "gelu": lambda x, tanh=False: F.gelu(x, approximate="tanh" if tanh else "none"),
    "index_list": _index_list,
    "expand": _expand,
    "repeat": lambda x, repeats: x.repeat(each(repeats, 1)),
    "tile": lambda x, dims: x.tile(each(dims, 1)),
    "flip": lambda x, dims: x.flip(each(dims, 1)),
    "norm": _norm,
    "fold": lambda x, output_size, kernel_size, dilation, padding, stride: F.fold(
        x, *(each(value, 2) for value in (output_size, kernel_size, dilation, padding, stride))
    ),
    "unfold": lambda x, kernel_size, dilation, padding, stride: F.unfold(
        x, *(each(value, 2) for value in (kernel_size, dilation, padding, stride))
    ),
    # In evaluation it is a leaky ReLU of the mean slope.
    "rrelu": lambda x, lower, upper: F.leaky_relu(x, (lower + upper) / 2),
    "roll": lambda x, shifts, dims=None: x.roll(shifts, dims),
}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "pow": operator.pow,
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le,
    "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip


def activation(node: Node) -> Step:
    return _single(node)


def unary(node: Node) -> Step:
    kind = node.attrs.get("kind")
    if kind == "stack":
        return _stack(node)
    return _arithmetic(node) if kind in ARITHMETIC else _single(node)


def merge(node: Node) -> Step:
    kind = node.attrs.get("kind")
    if kind == "stack":
        return _stack(node)
    if kind in ARITHMETIC:
        return _arithmetic(node)
    values = values_of(node)
    name = str(values.pop("kind"))
    if name == "einsum":
        equation = values["equation"]
        return lambda inputs, _: torch.einsum(equation, *inputs)
    function: Callable[..., Tensor] = getattr(torch, name, None) or getattr(F, name)
    return lambda inputs, _: function(*inputs, **values)


def _single(node: Node) -> Step:
    values = values_of(node)
    name = str(values.pop("kind"))
    function = _implementation(name)
    plain = {key: value for key, value in values.items() if value is not None}
    if not plain:
        return lambda inputs, _: function(inputs[0])
    return lambda inputs, _: function(inputs[0], **plain)


def _implementation(name: str) -> Callable[..., Tensor]:
    special = _IMPLEMENTATIONS.get(name)
    if special is not None:
        return special
    function: Callable[..., Tensor] = getattr(F, name, None) or getattr(torch, name)
    return function


def _arithmetic(node: Node) -> Step:
    values = values_of(node)
    name, number = str(values["kind"]), values["value"]
    alpha, rounding = values.get("alpha", 1), values.get("rounding_mode")
    if (number is None) != (len(node.inputs) == 2):
        raise refusal(node, "one of its operands is a constant whose values are not in the graph")
    function = _two_operands(name, alpha, rounding)
    if number is None:
        return lambda inputs, _: function(inputs[0], inputs[1])
    if values["reversed"]:
        return lambda inputs, _: function(number, inputs[0])
    return lambda inputs, _: function(inputs[0], number)


def _two_operands(name: str, alpha: float, rounding: str | None) -> Callable[[Any, Any], Any]:
    if name in ("add", "sub") and alpha != 1:
        return lambda a, b: _OPERATORS[name](a, alpha * b)
    if name in _OPERATORS:
        return _OPERATORS[name]
    if name == "div":
        if rounding is None:
            return operator.truediv
        return lambda a, b: torch.div(torch.as_tensor(a), b, rounding_mode=rounding)
    function = getattr(torch, name)
    return lambda a, b: function(*_as_tensors(a, b))


def _as_tensors(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    like = a if isinstance(a, Tensor) else b
    first = a if isinstance(a, Tensor) else torch.as_tensor(a, dtype=like.dtype, device=like.device)
    second = b if isinstance(b, Tensor) else torch.as_tensor(b, dtype=like.dtype, device=like.device)
    return first, second


def _stack(node: Node) -> Step:
    axis = int(values_of(node)["axis"])
    return lambda inputs, _: torch.stack(list(inputs), axis)


def softmax(node: Node) -> Step:
    values = values_of(node)
    axis = int(values["axis"])
    if values["log"]:
        return lambda inputs, _: inputs[0].log_softmax(axis)
    return lambda inputs, _: inputs[0].softmax(axis)
