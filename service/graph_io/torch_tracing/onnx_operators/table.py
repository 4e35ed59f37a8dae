"""The table of ONNX operators that run in torch, and what its functions share.

One function an operator: its attributes, its inputs (None for one that is left out), its result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from torch import Tensor

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


def input_at(inputs: Inputs, index: int) -> Tensor | None:
    return inputs[index] if index < len(inputs) else None


def first_input(inputs: Inputs) -> Tensor:
    x = inputs[0]
    if x is None:
        raise NotRun("lacks its first input")
    return x


def check_size(size: Sequence[int]) -> None:
    if prod(size) > MOST_CONSTANTS:
        raise NotRun(f"makes a tensor of {prod(size):,} numbers")


def single(value: Tensor | None, default: Any) -> Any:
    if value is None:
        return default
    return value if value.is_meta else value.item()
