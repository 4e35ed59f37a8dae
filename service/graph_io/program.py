"""The exact record of what a network computes, beside the nodes that a GHN sees: torch's own calls, in order.

Nodes say what kind of operators a network has; a few networks compute more than nodes can say (weights
that are standardised at each run, tables that are read through an index). Their programs are run instead.
A program is
data: names of functions from a fixed list (`program_functions.py`), numbers, and the constants of the
network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod


@dataclass(frozen=True, slots=True)
class Input:
    """The images, or tokens, that the network is called with."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an earlier call returned. place: which of several tensors."""

    call: int
    place: int = 0


@dataclass(frozen=True, slots=True)
class ParameterValue:
    """A parameter of the network, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class ConstantValue:
    """A constant of the network, by its place in `Program.constants`."""

    index: int


@dataclass(frozen=True, slots=True)
class BatchCount:
    """A whole number that grows with the batch: each * (size of the batch) + fixed."""

    each: int
    fixed: int = 0

    def of(self, batch: int) -> int:
        return self.each * batch + self.fixed


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A number format by torch's name, such as "float32"."""

    name: str


Reference = Input | Result | ParameterValue | ConstantValue
Argument = Reference | BatchCount | NumberFormat | None | bool | int | float | str | tuple["Argument", ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of torch.

    function: operator and overload, such as "add.Tensor".
    batch_norm: for a batch normalisation the path of its module, which names its running statistics; empty if
        nobody names it. None for every other function.
    """

    function: str
    arguments: tuple[Argument, ...] = ()
    keywords: tuple[tuple[str, Argument], ...] = ()
    batch_norm: str | None = None

    @property
    def references(self) -> Iterator[Reference]:
        yield from references_in(self.arguments)
        for _, value in self.keywords:
            yield from references_in(value)


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor that is the same for every input: a buffer, a table, a parameter that is kept as it is.

    data: its numbers, row by row, little-endian.
    """

    number_format: str
    shape: tuple[int, ...]
    data: bytes

    @property
    def numel(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Program:
    """calls: in order; each refers to earlier ones alone. output: what the network returns."""

    calls: tuple[Call, ...]
    output: Result
    constants: tuple[Constant, ...] = ()


def before_last_layer(program: Program, weight: str, bias: str | None) -> Program | None:
    """The program of the features that the last layer reads. Calls keep their places.

    None if that is no linear layer with these parameters, or if anything follows it.
    """
    operand: Reference = ParameterValue(weight)
    read = [index for index, call in enumerate(program.calls) if operand in call.references]
    if len(read) != 1:
        return None
    product = read[0]
    if program.calls[product].function in _TURNS:
        operand = Result(product)
        readers = [index for index, call in enumerate(program.calls) if operand in call.references]
        if len(readers) != 1:
            return None
        product = readers[0]
    call, end = program.calls[product], product
    match call.function, call.arguments:
        case "addmm.default", (ParameterValue(name), Result() as features, factor):
            fits = name == bias and factor == operand and not call.keywords
        case "mm.default", (Result() as features, factor):
            fits = factor == operand
            if bias is not None:
                end = product + 1
                biased = Call("add.Tensor", (Result(product), ParameterValue(bias)))
                fits = fits and program.calls[end : end + 1] == (biased,)
        case _:
            return None
    if not fits or program.output != Result(end):
        return None
    return Program(program.calls[:product], features, program.constants)


# How the weight of a linear layer, stored (out, in), becomes a factor.
_TURNS = frozenset({"t.default", "transpose.int", "permute.default"})


def references_in(value: Argument) -> Iterator[Reference]:
    """References of an argument, also those in its lists."""
    if isinstance(value, tuple):
        for item in value:
            yield from references_in(item)
    elif isinstance(value, Input | Result | ParameterValue | ConstantValue):
        yield value
