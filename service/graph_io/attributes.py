"""What attributes an operator has: their names, kinds of values and defaults, as data.

A row is written as a signature, `kernel_size: axes, stride: axes = None, ceil_mode: flag = False`:

    flag      True or False
    integer   a whole number
    number    any finite number
    text      a word
    axes      whole numbers, one a spatial axis in the order of the tensor; one number stands for all of them
    integers  whole numbers
    numbers   numbers

An attribute without a default must be there before the operator can be run; a GHN needs none of them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from service.graph_io.archgraph import AttrValue

# What a node may carry whatever its operator is: why it stands for more than its attributes say. Such a node
# cannot be run; a GHN sees primitives only and does not mind.
APPROXIMATE = "approximate"
# An early-exit classifier (`ArchGraph.exits`), or a node with one; how often the image was halved where a
# node works. A GHN for anytime prediction sees both.
EXIT, RESOLUTION = "exit", "resolution"
# What is said of a node and not of what it computes.
MARKS = frozenset({APPROXIMATE, EXIT, RESOLUTION})


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()


@dataclass(frozen=True, slots=True)
class Attribute:
    """default: the value where a node does not say it; REQUIRED if there is none."""

    name: str
    kind: str
    default: AttrValue | _Required

    def accepts(self, value: AttrValue) -> bool:
        """Whether a value is of the attribute's kind. None is the default of optional ones."""
        return value is None or _KINDS[self.kind].has(value)

    def canonical(self, value: AttrValue) -> AttrValue:
        """One of the several ways of saying the same: one number for equal numbers on every axis, and the
        numbers that float32 has, which networks compute in and files store.
        """
        if self.kind in ("number", "numbers") and isinstance(value, tuple):
            value = tuple(_single(float(entry)) for entry in value)
        elif self.kind in ("number", "numbers") and isinstance(value, int | float):
            value = _single(value)
        if self.kind in ("axes", "numbers") and isinstance(value, tuple) and value and len(set(value)) == 1:
            return value[0]
        return value

    @property
    def canonical_default(self) -> AttrValue | _Required:
        return self.default if isinstance(self.default, _Required) else self.canonical(self.default)


def _single(value: float) -> float:
    """The float32 nearest to a number."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


@dataclass(frozen=True, slots=True)
class _Kind:
    """types: of one value; true and false are no whole numbers. many: whether it may be a tuple of them."""

    types: tuple[type, ...]
    many: bool = False

    def has(self, value: AttrValue) -> bool:
        return self._is_one(value) or (
            self.many and isinstance(value, tuple) and all(map(self._is_one, value))
        )

    def _is_one(self, value: AttrValue) -> bool:
        # The first question answers for nearly all; the others are for types derived from these.
        return type(value) in self.types or (isinstance(value, self.types) and not isinstance(value, bool))


_KINDS = {
    "flag": _Kind((bool,)),
    "integer": _Kind((int,)),
    "number": _Kind((int, float)),
    "text": _Kind((str,)),
    "integers": _Kind((int,), many=True),
    "axes": _Kind((int,), many=True),
    "numbers": _Kind((int, float), many=True),
}
_CONSTANTS: dict[str, AttrValue] = {"None": None, "True": True, "False": False}


def attributes(signature: str) -> tuple[Attribute, ...]:
    """The attributes of a signature, in its order."""
    return tuple(_attribute(part.strip()) for part in signature.split(",")) if signature.strip() else ()


def _attribute(text: str) -> Attribute:
    head, equals, default = (part.strip() for part in text.partition("="))
    name, _, kind = (part.strip() for part in head.partition(":"))
    if kind not in _KINDS:
        raise ValueError(f"the attribute {text!r} has no known kind: use one of {', '.join(_KINDS)}")
    return Attribute(name, kind, _constant(default) if equals else REQUIRED)


def _constant(text: str) -> AttrValue:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def with_defaults(rows: tuple[Attribute, ...], attrs: Mapping[str, AttrValue]) -> dict[str, AttrValue]:
    """Every attribute of the rows, as the node says it or by default.

    Raises KeyError, with the name, if one that has no default is missing.
    """
    values: dict[str, AttrValue] = {}
    for row in rows:
        value = attrs.get(row.name)
        if value is None:
            if isinstance(row.default, _Required):
                raise KeyError(row.name)
            value = row.default
        values[row.name] = value
    return values
