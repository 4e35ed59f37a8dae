"""The arguments of a call as attributes: bound to the names of the function's row in `functions.py`. Free of
torch but for what the values are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from service.graph_io.archgraph import AttrValue
from service.graph_io.attributes import APPROXIMATE, Attribute

Attrs = dict[str, AttrValue]


def approximate(reason: str) -> Attrs:
    """The attribute of a node that stands for more than its attributes say."""
    return {APPROXIMATE: reason}


def bound(rows: tuple[Attribute, ...], args: Sequence[Any], kwargs: Mapping[str, Any], batch: int) -> Attrs:
    """The arguments of a call behind its tensors, as attributes by the names of the rows; defaults are
    left out.

    batch: size of the batch while the network is traced. A number that is made of it (`x.shape[0] // 2`)
    would be another one in another batch.
    """
    if len(args) > len(rows):
        # Numbers that torch also takes one by one: x.flip(1, 2), x.repeat(1, 2).
        if len(rows) == 1 and rows[0].kind == "integers":
            args = [tuple(args)]
        else:
            return approximate("it has arguments that are not known")
    values = dict(zip((row.name for row in rows), args, strict=False))
    for name, value in kwargs.items():
        if name in _WITHOUT_MEANING or value is None:
            continue
        if name == "dtype" and isinstance(value, torch.dtype) and value.is_floating_point:
            continue
        if name == "unbiased":
            name, value = "correction", int(value)
        values[_SAME.get(name, name)] = value
    attrs: Attrs = {}
    known = {row.name: row for row in rows}
    for name, value in values.items():
        row = known.get(name)
        plain = _plain(value)
        if row is None:
            return approximate(f"its argument {name!r} is not known")
        if isinstance(plain, _Unknown) or not row.accepts(plain):
            return approximate(f"its argument {name!r} is {type(value).__name__}, no {row.kind}")
        if depends_on_batch(plain, batch):
            return approximate(f"its argument {name!r} depends on the size of the batch")
        if plain != row.default or type(plain) is not type(row.default):
            attrs[name] = plain
    return attrs


# Arguments that do not change the result, in evaluation.
_WITHOUT_MEANING = frozenset({"inplace", "training", "memory_format", "_stacklevel"})
# Names of one argument in several functions.
_SAME = {"axis": "dim", "keepdims": "keepdim"}


class _Unknown:
    """What no attribute can hold."""


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list | torch.Size):
        entries = tuple(_plain(entry) for entry in value)
        numbers = all(isinstance(entry, int | float) and not isinstance(entry, bool) for entry in entries)
        return entries if numbers else _Unknown()
    return single(value) if isinstance(value, Tensor) else _Unknown()


def single(value: Tensor) -> Any:
    """The number of a tensor of one number, if it has a value."""
    if value.numel() != 1 or value.is_meta or value.is_complex():
        return _Unknown()
    return value.item()


def depends_on_batch(value: AttrValue, batch: int) -> bool:
    """Whether a number was, in all likelihood, worked out from the size of the batch. batch: a large prime
    while a network is traced without memory, so that no other size is a multiple of it; else nothing is
    known.
    """
    if batch < _TELLING:
        return False
    entries = value if isinstance(value, tuple) else (value,)
    for entry in entries:
        if isinstance(entry, bool) or not isinstance(entry, int | float) or entry == 0:
            continue
        if entry % batch == 0 or entry in (1 / batch, batch // 2, batch // 2 + 1, batch - 1, batch + 1):
            return True
    return False


# A batch of this size or more is one that the tracer chose.
_TELLING = 50


def batched(shape: Sequence[int], batch: int) -> Attrs:
    """The attribute `shape` of a reshape, with -1 for the axis that grows with the batch; marked if it is not
    clear which one that is.

    A batch of one or two says little: the first axis that is a multiple of it is taken if it is the first
    at all.
    """
    sizes = tuple(int(size) for size in shape)
    growing = [axis for axis, size in enumerate(sizes) if size % batch == 0]
    if batch < _TELLING:
        growing = growing[:1] if growing[:1] == [0] else []
    if len(growing) > 1 or (not growing and batch < _TELLING):
        return {"shape": sizes, **approximate("it is not clear which axis the batch is")}
    return {"shape": tuple(-1 if axis in growing else size for axis, size in enumerate(sizes))}
