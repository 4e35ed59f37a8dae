"""Tensors in the nested arguments and results of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor


def tensors_in(values: Any) -> Iterator[Tensor]:
    """All tensors in nested lists, tuples, dictionaries and dataclasses."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (list, tuple, set)):
        for item in values:
            yield from tensors_in(item)
    elif isinstance(values, dict):
        yield from tensors_in(list(values.values()))
    elif hasattr(values, "__dataclass_fields__"):
        yield from tensors_in([getattr(values, name) for name in values.__dataclass_fields__])


def map_tensors(values: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same nested lists, tuples and dictionaries, with `change` of each tensor in its place."""
    if isinstance(values, Tensor):
        return change(values)
    if isinstance(values, tuple):
        items = [map_tensors(item, change) for item in values]
        make = getattr(type(values), "_make", tuple)  # of a named tuple
        return make(items)
    if isinstance(values, list):
        return [map_tensors(item, change) for item in values]
    if isinstance(values, Mapping):
        return {key: map_tensors(item, change) for key, item in values.items()}
    return values
