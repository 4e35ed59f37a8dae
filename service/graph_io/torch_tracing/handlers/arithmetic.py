"""Sums, products and matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.torch_tracing.calls import Attrs, approximate, depends_on_batch, single
from service.graph_io.torch_tracing.recorder import HANDLERS, Recorder, function_name, handles

# What a call with two computed tensors becomes: operators.py knows sums and products; the rest is "some
# function of both".
_OPS = {
    "add": "add",
    "mul": "mul",
    "sub": "merge",
    "div": "merge",
    "pow": "merge",
    "maximum": "merge",
    "minimum": "merge",
}
_SPELLINGS = {
    "add": "add __add__ __radd__",
    "mul": "mul multiply __mul__ __rmul__",
    "sub": "sub subtract __sub__ __rsub__ rsub",
    "div": "div divide true_divide __truediv__ __rtruediv__ __div__ __rdiv__",
    "pow": "pow __pow__ __rpow__",
    "maximum": "maximum",
    "minimum": "minimum",
}
# The first operand is the second argument.
_REVERSED = frozenset("__rsub__ rsub __rtruediv__ __rdiv__ __rpow__".split())
_IN_PLACE = {
    "add": "add_ __iadd__",
    "mul": "mul_ multiply_ __imul__",
    "sub": "sub_ subtract_ __isub__",
    "div": "div_ divide_ __itruediv__ __idiv__",
    "pow": "pow_ __ipow__",
}


def broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that two shapes broadcast to. Raises RuntimeError, as torch does, if they do not."""
    if a == b:
        return a
    rank = max(len(a), len(b))
    padded_a, padded_b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    for x, y in zip(padded_a, padded_b, strict=True):
        if x != y and x != 1 and y != 1:
            raise RuntimeError(f"shapes {list(a)} and {list(b)} do not fit")
    return tuple(y if x == 1 else x for x, y in zip(padded_a, padded_b, strict=True))


def _arithmetic(kind: str) -> Callable[..., Any]:
    def handler(recorder: Recorder, func: Any, input: Any, other: Any, *args: Any, **kwargs: Any) -> Any:
        a, b = recorder.step_of(input), recorder.step_of(other)
        if kwargs.get("out") is not None:
            return recorder.other(func, input, other, *args, **kwargs)
        if a is None and b is None:
            if not recorder.has_no_values(input, other):
                return recorder.run(func, input, other, *args, **kwargs)
            return recorder.empty(*_result("floor" if kwargs.get("rounding_mode") else kind, input, other))
        if func.__name__ in _REVERSED:
            input, other = other, input
            a, b = b, a
        op, sources, attrs = _describe(recorder, kind, a, b, input, other)
        attrs |= _options(kind, args, kwargs)
        shape, dtype = _result("floor" if kwargs.get("rounding_mode") else kind, input, other)
        return recorder.make(
            "merge" if attrs and len(sources) == 2 else op, sources, shape, dtype, attrs=attrs
        )

    return handler


def _arithmetic_in_place(kind: str) -> Callable[..., Any]:
    def handler(recorder: Recorder, func: Any, input: Tensor, other: Any, *args: Any, **kwargs: Any) -> Any:
        a, b = recorder.step_of(input), recorder.step_of(other)
        if a is None and b is None:
            return recorder.other(func, input, other, *args, **kwargs)
        op, sources, attrs = _describe(recorder, kind, a, b, input, other)
        attrs |= _options(kind, args, kwargs)
        op = "merge" if attrs and len(sources) == 2 else op
        shape = tuple(input.shape)
        if isinstance(other, Tensor) and broadcast(shape, tuple(other.shape)) != shape:
            raise RuntimeError(f"shape {list(other.shape)} cannot be written into {list(shape)}")
        return recorder.overwrite(input, recorder.add(op, sources, shape=shape, attrs=attrs))

    return handler


def _describe(
    recorder: Recorder, kind: str, a: int | None, b: int | None, input: Any, other: Any
) -> tuple[str, tuple[int, ...], Attrs]:
    if a is not None and b is not None:
        op = _OPS[kind]
        return op, (a, b), {} if op in ("add", "mul") else {"kind": kind}
    # With a fixed number or tensor it is a function of the other one alone.
    step = b if a is None else a
    assert step is not None
    return (
        "unary",
        (step,),
        {"kind": kind, **_operand(recorder, input if a is None else other, first=a is None)},
    )


def _operand(recorder: Recorder, number: Any, *, first: bool) -> Attrs:
    """The attributes of the operand that no step made."""
    value = single(number) if isinstance(number, Tensor) else number
    if not isinstance(value, int | float):
        return approximate("one of its operands is a constant tensor")
    if depends_on_batch(value, recorder.batch):
        return approximate("one of its operands depends on the size of the batch")
    return {"value": float(value), **({"reversed": True} if first else {})}


def _options(kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attrs:
    attrs: Attrs = {}
    alpha = kwargs.get("alpha", 1)
    if alpha != 1:
        attrs |= {"kind": kind, "alpha": float(alpha)} if isinstance(alpha, int | float) else {}
    if kwargs.get("rounding_mode") is not None:
        attrs |= {"kind": kind, "rounding_mode": str(kwargs["rounding_mode"])}
    return attrs


def _result(kind: str, a: Any, b: Any) -> tuple[tuple[int, ...], torch.dtype]:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        dtype = a.dtype if a.dtype == b.dtype else torch.result_type(a, b)
        shape = broadcast(tuple(a.shape), tuple(b.shape))
    else:
        tensor = a if isinstance(a, Tensor) else b
        shape, dtype = tuple(tensor.shape), tensor.dtype
        if not dtype.is_floating_point:
            dtype = torch.result_type(a, b)
    if kind == "div" and not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.get_default_dtype()
    return shape, dtype


for _kind, _names in _SPELLINGS.items():
    for _name in _names.split():
        HANDLERS[_name] = _arithmetic(_kind)
for _kind, _names in _IN_PLACE.items():
    for _name in _names.split():
        HANDLERS[_name] = _arithmetic_in_place(_kind)


_COMPARISONS = "eq ne lt le gt ge logical_and logical_or logical_xor".split()


@handles(*_COMPARISONS, *(f"__{name}__" for name in _COMPARISONS[:6]))
def _compare(recorder: Recorder, func: Any, input: Any, other: Any, **kwargs: Any) -> Any:
    if not isinstance(other, (Tensor, int, float)):
        return func(input, other, **kwargs)
    sources = tuple(recorder.sources([input, other]))
    if (kwargs or not recorder.has_no_values(input, other)) and not sources:
        return recorder.run(func, input, other, **kwargs)
    if sources and recorder.computes:
        return recorder.other(func, input, other, **kwargs)
    shape, _ = _result("compare", input, other)
    if not sources:
        return recorder.empty(shape, torch.bool)
    kind = function_name(func).strip("_")
    a, b = recorder.step_of(input), recorder.step_of(other)
    if a is not None and b is not None:
        return recorder.make("merge", (a, b), shape, torch.bool, attrs={"kind": kind})
    attrs: Attrs = {"kind": kind, **_operand(recorder, input if a is None else other, first=a is None)}
    return recorder.make("unary", sources, shape, torch.bool, attrs=attrs)


@handles("masked_fill")
def _masked_fill(recorder: Recorder, func: Any, input: Tensor, mask: Tensor, value: Any) -> Any:
    sources = tuple(recorder.sources([input, mask, value]))
    if not sources:
        if not recorder.has_no_values(input, mask):
            return recorder.run(func, input, mask, value)
        return recorder.empty(broadcast(tuple(input.shape), tuple(mask.shape)), input.dtype)
    shape = broadcast(tuple(input.shape), tuple(mask.shape))
    steps = (recorder.step_of(input), recorder.step_of(mask))
    attrs: Attrs = {"kind": "masked_fill"}
    if None in steps or recorder.step_of(value) is not None:
        attrs |= approximate("one of its operands is a constant tensor")
        op = "unary" if len(sources) == 1 else "merge"
        return recorder.make(op, sources, shape, input.dtype, attrs=attrs)
    attrs |= {key: entry for key, entry in _operand(recorder, value, first=False).items()}
    return recorder.make("merge", steps, shape, input.dtype, attrs=attrs)  # type: ignore[arg-type]


@handles("addcmul")
def _addcmul(
    recorder: Recorder, func: Any, input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1
) -> Any:
    if value != 1:
        tensor2 = HANDLERS["mul"](recorder, torch.mul, tensor2, value)
    return HANDLERS["add"](recorder, torch.add, input, HANDLERS["mul"](recorder, torch.mul, tensor1, tensor2))


@handles("matmul", "mm", "bmm", "mv", "__matmul__", "__rmatmul__", "inner")
def _matmul(recorder: Recorder, func: Any, input: Tensor, other: Tensor) -> Any:
    a, b = recorder.step_of(input), recorder.step_of(other)
    out = recorder.run(func, input, other)
    if a is None or b is None:
        attrs: Attrs = {"kind": "matmul", **approximate("one of its operands is a constant tensor")}
        return recorder.result("unary", (a if b is None else b,), out, attrs) if a != b else out  # type: ignore[arg-type]
    name = function_name(func)
    if name == "__rmatmul__":
        a, b = b, a
    return recorder.result(
        "matmul", (a, b), out, approximate("it sums over last axes") if name == "inner" else {}
    )


@handles("addmm", "baddbmm", "addbmm", "addmv")
def _addmm(recorder: Recorder, func: Any, input: Tensor, mat1: Tensor, mat2: Tensor, **kwargs: Any) -> Any:
    if kwargs.get("alpha", 1) != 1 or kwargs.get("beta", 1) not in (0, 1) or function_name(func) == "addbmm":
        return recorder.other(func, input, mat1, mat2, **kwargs)
    if kwargs.get("beta", 1) == 0:
        return _matmul(recorder, torch.matmul, mat1, mat2)
    return HANDLERS["add"](recorder, torch.add, _matmul(recorder, torch.matmul, mat1, mat2), input)


@handles("einsum")
def _einsum(recorder: Recorder, func: Any, equation: Any, *operands: Any) -> Any:
    out = recorder.run(func, equation, *operands)
    tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    steps = [recorder.step_of(tensor) for tensor in tensors]
    known = tuple(step for step in steps if step is not None)
    if not known:
        return out
    attrs: dict[str, AttrValue] = {"kind": "einsum", "equation": str(equation).replace(" ", "")}
    if len(known) < len(steps):
        attrs |= approximate("one of its operands is a constant tensor")
    op = "unary" if len(known) == 1 else "matmul" if len(steps) == 2 else "merge"
    return recorder.result(op, known, out, attrs)
