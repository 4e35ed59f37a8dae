"""Reading the fields of an architecture document: every refusal names the field (a JSON pointer) and the
node.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from service.errors import InvalidArchitecture, LimitExceeded
from service.json_pointer import pointer

SHOWN_CHARACTERS = 80
# 64 bits: exporters write "to the end" as the largest of them.
MAX_INTEGER = 2**63 - 1
MAX_NUMBER = sys.float_info.max
MAX_TEXT = 256
MAX_ATTRIBUTES = 64
MAX_ATTRIBUTE_ITEMS = 4096
MAX_ATTRIBUTE_TEXT = 1024
MAX_PARAMETERS_A_NODE = 256


class Place:
    """Where in the document a value stands, and in which node, for errors. Reading makes one for nearly every
    field, and nearly none is asked for its path.
    """

    __slots__ = ("_key", "_parent", "node")

    def __init__(
        self, parent: Place | None = None, key: str | int | None = None, node: str | None = None
    ) -> None:
        self._parent, self._key, self.node = parent, key, node

    def __truediv__(self, key: str | int) -> Place:
        return Place(self, key, self.node)

    def inside(self, node: str) -> Place:
        return Place(self._parent, self._key, node)

    @property
    def path(self) -> tuple[str | int, ...]:
        return () if self._parent is None or self._key is None else (*self._parent.path, self._key)

    @property
    def pointer(self) -> str:
        """The JSON pointer, cut where a hostile key would make it long."""
        return pointer(*(str(key)[:SHOWN_CHARACTERS] for key in self.path))

    def refuse(self, sentence: str, hint: str | None = None) -> InvalidArchitecture:
        return InvalidArchitecture(sentence, field=self.pointer, node=self.node, hint=hint)

    def too_long(self, count: int, unit: str, limit: int) -> LimitExceeded:
        return LimitExceeded(
            f"{self.named} has {count:,} {unit}, the limit is {limit:,}.",
            field=self.pointer,
            node=self.node,
            limit=limit,
            value=count,
        )

    @property
    def named(self) -> str:
        """The field in a sentence."""
        owner = "" if self.node is None else f" of node {shown(self.node)}"
        return f"{self.pointer or 'The document'}{owner}"


def shown(value: object) -> str:
    """A value from outside, short enough for a sentence."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def closest(word: str, known: Collection[str]) -> str | None:
    """The known word most like an unknown one, if any is."""
    matches = get_close_matches(word[:SHOWN_CHARACTERS].lower(), [*known], n=1)
    return matches[0] if matches else None


def read_object(
    value: Any, place: Place, *, required: Collection[str] = (), optional: Collection[str] = ()
) -> Mapping[str, Any]:
    """An object with these keys and no others."""
    if not isinstance(value, Mapping):
        raise place.refuse(f"{place.named} must be an object, not {kind_of(value)}.")
    known = (*required, *optional)
    for key in value:
        if key not in known:
            like = closest(str(key), known)
            raise (place / key).refuse(
                f"{place.named} has the unknown key {shown(key)}.",
                f"Did you mean {like!r}?" if like else f"Known keys: {', '.join(known)}.",
            )
    for key in required:
        if key not in value:
            raise place.refuse(f"{place.named} lacks the key {key!r}.")
    return value


def kind_of(value: Any) -> str:
    """What JSON calls a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int | float):
        return "a number"
    return (
        "an object"
        if isinstance(value, Mapping)
        else "an array"
        if isinstance(value, Sequence)
        else "no JSON value"
    )


def read_text(value: Any, place: Place, *, max_length: int = MAX_TEXT) -> str:
    if not isinstance(value, str):
        raise place.refuse(f"{place.named} must be a string, not {kind_of(value)}.")
    if len(value) > max_length:
        raise place.too_long(len(value), "characters", max_length)
    return value


def read_choice(value: Any, place: Place, choices: Collection[str], *, what: str) -> str:
    """One of a few words. `what` names the kind of thing in the error."""
    text = read_text(value, place)
    if text not in choices:
        like = closest(text, choices)
        suggestion = f"Did you mean {like!r}? " if like else ""
        raise place.refuse(
            f"{place.named}: there is no {what} {shown(text)}.", f"{suggestion}Known: {', '.join(choices)}."
        )
    return text


def read_flag(value: Any, place: Place) -> bool:
    if not isinstance(value, bool):
        raise place.refuse(f"{place.named} must be true or false, not {kind_of(value)}.")
    return value


def _kind_or_value(value: Any) -> str:
    return str(value) if isinstance(value, float) else kind_of(value)


def read_integer(value: Any, place: Place, *, least: int = -MAX_INTEGER, most: int = MAX_INTEGER) -> int:
    """A whole number within bounds; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise place.refuse(f"{place.named} must be a whole number, not {_kind_or_value(value)}.")
    if not least <= value <= most:
        expected = f"{least} or more" if most == MAX_INTEGER else f"{least} to {most}"
        number = str(value) if abs(value) <= MAX_INTEGER else "beyond 64 bits"
        raise place.refuse(f"{place.named} is {number}; expected {expected}.")
    return value


def read_number(value: Any, place: Place) -> float:
    """A finite number, as a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.refuse(f"{place.named} must be a number, not {kind_of(value)}.")
    # Compared before it is converted: JSON allows whole numbers that no float holds. NaN fails the
    # comparison.
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise place.refuse(f"{place.named} must be a finite number.")
    return float(value)


def read_list(value: Any, place: Place, *, most: int) -> Sequence[Any]:
    """An array (from Python, a tuple too) of at most so many items."""
    if not isinstance(value, list | tuple):
        raise place.refuse(f"{place.named} must be an array, not {kind_of(value)}.")
    if len(value) > most:
        raise place.too_long(len(value), "items", most)
    return value


def read_integers(value: Any, place: Place, *, most: int, least_value: int = -MAX_INTEGER) -> tuple[int, ...]:
    """An array of whole numbers."""
    integers = plain_integers(value, most, least_value)
    if integers is not None:
        return integers
    items = read_list(value, place, most=most)
    return tuple(read_integer(item, place / index, least=least_value) for index, item in enumerate(items))


def plain_integers(value: Any, most: int, least_value: int = -MAX_INTEGER) -> tuple[int, ...] | None:
    """An array of whole numbers that nothing is wrong with, else None."""
    if not isinstance(value, list | tuple) or len(value) > most:
        return None
    for item in value:
        if type(item) is not int or not least_value <= item <= MAX_INTEGER:
            return None
    return tuple(value)


# Of the fields that every node of a graph has the place is made only where one is refused: for thousands of
# nodes the places would take as long as the fields.


def text_at(entry: Mapping[str, Any], key: str, place: Place, *, max_length: int = MAX_TEXT) -> str:
    """`read_text` of a key of an object. place: of the object."""
    value = entry[key]
    if type(value) is str and len(value) <= max_length:
        return value
    return read_text(value, place / key, max_length=max_length)


def integers_at(
    entry: Mapping[str, Any], key: str, place: Place, *, most: int, least_value: int = -MAX_INTEGER
) -> tuple[int, ...]:
    """`read_integers` of a key of an object. place: of the object."""
    integers = plain_integers(entry[key], most, least_value)
    if integers is not None:
        return integers
    return read_integers(entry[key], place / key, most=most, least_value=least_value)
