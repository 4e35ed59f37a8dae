"""Running a `Program` with parameters from outside: the same calls of torch, in the same order.

A program comes from a stranger. It calls functions of one fixed list alone, and it is tried on tensors
without memory before it runs: a call that torch refuses, or a result that is too large, is refused there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from service.errors import UnsupportedOperator
from service.executor.convolutions import convolution
from service.executor.statistics import BatchStatistics, normalised_by_batch
from service.graph_io.program import (
    Argument,
    BatchCount,
    Call,
    Constant,
    ConstantValue,
    Input,
    NumberFormat,
    ParameterValue,
    Program,
    Result,
)
from service.graph_io.program_functions import makes, runs

Params = Mapping[str, Tensor]

# Numbers in one result for a batch of two images: 1 GiB of float32.
_MOST_NUMBERS = 2**28


@dataclass(frozen=True, slots=True)
class _Step:
    operator: Callable[..., Any]
    call: Call
    finished: tuple[int, ...]  # calls whose results no later one reads


class ProgramNetwork:
    """A program that can be run.

    batch_norms: the name of each batch normalisation among `BatchStatistics`, and the path of its module
        (empty if nobody names it).

    Raises UnsupportedOperator, naming the function, if it cannot be run here.
    """

    def __init__(
        self, program: Program, input_shape: Sequence[int], shapes: Mapping[str, tuple[int, ...]]
    ) -> None:
        self._program = program
        self._steps = _compile(program)
        self._constants: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
        self.batch_norms = tuple(
            (_statistics_name(index), call.batch_norm)
            for index, call in enumerate(program.calls)
            if call.batch_norm is not None
        )
        self._try(input_shape, shapes)

    def __call__(
        self,
        images: Tensor,
        params: Params,
        statistics: BatchStatistics | None = None,
        observe: Callable[[Tensor], None] | None = None,
    ) -> Tensor:
        """What the program returns, in the number format of the images (of the parameters, for tokens).

        observe: called with every tensor that a call gives, in order.
        """
        dtype = images.dtype
        if not dtype.is_floating_point:
            dtype = next((value.dtype for value in params.values()), torch.float32)
        run = _Run(images.contiguous(), params, statistics, dtype, self._constants_for(images.device, dtype))
        for index, step in enumerate(self._steps):
            run.results[index] = result = run.call(step, index)
            if observe is not None:
                for tensor in _tensors(result):
                    observe(tensor)
            for finished in step.finished:
                run.results[finished] = None
        output = run.value(self._program.output)
        assert isinstance(output, Tensor)
        return output

    def _constants_for(self, device: torch.device, dtype: torch.dtype) -> list[Tensor]:
        key = (device, dtype)
        if key not in self._constants:
            self._constants[key] = [
                _tensor(constant, dtype).to(device) for constant in self._program.constants
            ]
        return self._constants[key]

    @torch.no_grad()
    def _try(self, input_shape: Sequence[int], shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Run on tensors without memory."""
        meta = torch.device("meta")
        images = torch.empty((2, *input_shape), device=meta)
        params = {name: torch.empty(shape, device=meta) for name, shape in shapes.items()}
        run = _Run(images, params, None, torch.float32, self._constants_for(meta, torch.float32))
        for index, step in enumerate(self._steps):
            try:
                run.results[index] = result = run.call(step, index)
            except Exception as failure:  # torch raises whatever it likes for arguments that a stranger wrote
                reason = " ".join(str(failure).split())[:200]
                raise _refusal(step.call, index, f"{type(failure).__name__}: {reason}") from None
            for tensor in _tensors(result):
                if tensor.numel() > _MOST_NUMBERS:
                    raise _refusal(step.call, index, f"its result has {tensor.numel():,} numbers")
        output = run.value(self._program.output)
        if not isinstance(output, Tensor):
            last = self._program.output.call
            raise _refusal(self._program.calls[last], last, "it returns no tensor")


def _tensors(result: Any) -> list[Tensor]:
    several = result if isinstance(result, tuple | list) else (result,)
    return [value for value in several if isinstance(value, Tensor)]


class _Run:
    """One run: the values so far."""

    def __init__(
        self, images: Tensor, params: Params, statistics: BatchStatistics | None, dtype: torch.dtype,
        constants: list[Tensor],
    ) -> None:  # fmt: skip
        self.images, self.params, self.statistics = images, params, statistics
        self.dtype, self.constants = dtype, constants
        self.results: dict[int, Any] = {}
        self._converted: dict[str, Tensor] = {}

    def call(self, step: _Step, index: int) -> Any:
        arguments = [self.value(argument) for argument in step.call.arguments]
        if step.call.batch_norm is not None:
            x, weight, bias = arguments[:3]
            eps = float(arguments[-1])
            return (normalised_by_batch(_statistics_name(index), x, weight, bias, eps, self.statistics),)
        keywords = {name: self.value(value) for name, value in step.call.keywords}
        if makes(step.call.function):
            keywords["device"] = self.images.device
        return step.operator(*arguments, **keywords)

    def value(self, argument: Argument) -> Any:
        if isinstance(argument, Result):
            result = self.results[argument.call]
            return result[argument.place] if isinstance(result, tuple | list) else result
        if isinstance(argument, ParameterValue):
            return self._parameter(argument.name)
        if isinstance(argument, tuple):
            return [self.value(item) for item in argument]
        if isinstance(argument, BatchCount):
            return argument.of(self.images.shape[0])
        if isinstance(argument, ConstantValue):
            return self.constants[argument.index]
        if isinstance(argument, Input):
            return self.images
        if isinstance(argument, NumberFormat):
            return self._format(argument.name)
        return argument

    def _parameter(self, name: str) -> Tensor:
        """In the number format of the run; each is converted once."""
        if name not in self._converted:
            self._converted[name] = self.params[name].to(self.dtype)
        return self._converted[name]

    def _format(self, name: str) -> torch.dtype | torch.memory_format:
        value = getattr(torch, name)
        if isinstance(value, torch.dtype) and value.is_floating_point:
            return self.dtype
        assert isinstance(value, torch.dtype | torch.memory_format)
        return value


def _zeros(size: Sequence[int], **keywords: Any) -> Tensor:
    keywords.pop("memory_format", None)
    return torch.zeros(tuple(size), **keywords)


def _zeros_like(x: Tensor, **keywords: Any) -> Tensor:
    keywords.pop("memory_format", None)
    return torch.zeros_like(x, **keywords)


def _new_zeros(x: Tensor, size: Sequence[int], **keywords: Any) -> Tensor:
    return x.new_zeros(tuple(size), **keywords)


# Functions in place of torch's. Memory that nobody has filled may hold anything: another user's numbers too.
_IN_PLACE_OF: dict[str, Callable[..., Any]] = {
    "convolution.default": convolution,
    "empty.memory_format": _zeros,
    "empty_like.default": _zeros_like,
    "new_empty.default": _new_zeros,
}


def _compile(program: Program) -> tuple[_Step, ...]:
    last_use: dict[int, int] = {}
    for index, call in enumerate(program.calls):
        for reference in call.references:
            if isinstance(reference, Result):
                last_use[reference.call] = index
    last_use.pop(program.output.call, None)
    finished: dict[int, list[int]] = {}
    for used, index in last_use.items():
        finished.setdefault(index, []).append(used)
    return tuple(
        _Step(_operator(call, index), call, tuple(finished.get(index, ())))
        for index, call in enumerate(program.calls)
    )


def _operator(call: Call, index: int) -> Callable[..., Any]:
    if not runs(call.function):
        raise _refusal(call, index, "it is not among the functions that run")
    if call.function in _IN_PLACE_OF:
        return _IN_PLACE_OF[call.function]
    packet, _, overload = call.function.partition(".")
    try:
        return cast(Callable[..., Any], getattr(getattr(torch.ops.aten, packet), overload))
    except AttributeError:
        raise _refusal(call, index, f"torch {torch.__version__} does not have it") from None


def _refusal(call: Call, index: int, reason: str) -> UnsupportedOperator:
    return UnsupportedOperator(
        f"Call {index} of the program, {call.function}, cannot be run: {reason}.", operator=call.function
    )


def _statistics_name(index: int) -> str:
    return f"call {index}"


def _tensor(constant: Constant, dtype: torch.dtype) -> Tensor:
    stored = getattr(torch, constant.number_format)
    flat = (
        torch.frombuffer(bytearray(constant.data), dtype=stored)
        if constant.data
        else torch.empty(0, dtype=stored)
    )
    tensor = flat.reshape(constant.shape)
    return tensor.to(dtype) if stored.is_floating_point else tensor
