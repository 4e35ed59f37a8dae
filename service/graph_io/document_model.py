"""What a document of a format holds, declared once: a frozen dataclass whose annotations bound every field.

    @document_model
    class Cell:
        operations: Annotated[tuple[Operation, ...], Field(max_length=6)]
        channels: Annotated[int, Field(ge=1, le=4096, description="Of the first layer.")] = 16

Readers read by it (`read_model`), pydantic makes the published JSON Schema of it (`schemas.py`). It is read
here and not by pydantic so that every refusal is one of ours: the first wrong field, its pointer, its bounds,
and the key or word that was probably meant.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import ConfigDict, Field, with_config
from pydantic.fields import FieldInfo

from service.graph_io.fields import (
    Place,
    read_choice,
    read_flag,
    read_integer,
    read_list,
    read_object,
    read_text,
    shown,
)

Model = TypeVar("Model")
_Read = Callable[[Any, Place], Any]

# Fields that several formats have.
MAX_IMAGE_SIZE = 4096
Name = Annotated[str, Field(max_length=256, description="A name of the network, for people.")]
NumClasses = Annotated[int, Field(ge=1, le=100_000, description="Outputs of the last layer.")]


@dataclass_transform(frozen_default=True, kw_only_default=True)
def document_model(declared: type[Model]) -> type[Model]:
    """A frozen dataclass with keyword fields that allows no others."""
    made = dataclass(frozen=True, slots=True, kw_only=True)(declared)
    return with_config(ConfigDict(extra="forbid"))(made)


def read_model(model: Callable[..., Model], value: Any, place: Place = Place()) -> Model:
    """The value, which must be an object with the fields of the model and no others.

    Raises InvalidArchitecture or LimitExceeded (too many items or characters), naming the first wrong field.
    """
    shape = _shape(model)
    fields = read_object(value, place, required=shape.required, optional=shape.optional)
    return model(
        **{name: read(fields[name], place / name) for name, read in shape.reads.items() if name in fields}
    )


def reader_of(annotation: Any) -> Callable[[Any, Place], Any]:
    """What reads a value alone, by the annotation that a field of a model would have."""
    return _read_of(annotation, _Bounds())


@dataclass(frozen=True, slots=True)
class _Shape:
    required: tuple[str, ...]
    optional: tuple[str, ...]
    reads: Mapping[str, _Read]


@cache
def _shape(model: Any) -> _Shape:
    annotations = get_type_hints(model, include_extras=True)
    fields = dataclasses.fields(model)
    required = tuple(field.name for field in fields if field.default is dataclasses.MISSING)
    return _Shape(
        required,
        tuple(field.name for field in fields if field.name not in required),
        {field.name: _read_of(annotations[field.name], _Bounds()) for field in fields},
    )


@dataclass(frozen=True, slots=True)
class _Bounds:
    """least, most: of a number. fewest, longest: items of a list; longest, pattern: of a text. what: the kind
    of thing that a word names.
    """

    least: int | None = None
    most: int | None = None
    fewest: int = 0
    longest: int | None = None
    pattern: str | None = None
    what: str = "choice"

    def within(self, info: FieldInfo) -> _Bounds:
        """These, narrowed by what a field says."""
        narrowed = self if info.title is None else dataclasses.replace(self, what=info.title)
        for note in info.metadata:
            for theirs, ours in _OUR_NAMES.items():
                if getattr(note, theirs, None) is not None:
                    narrowed = dataclasses.replace(narrowed, **{ours: getattr(note, theirs)})
        return narrowed


_OUR_NAMES = {
    "ge": "least",
    "le": "most",
    "min_length": "fewest",
    "max_length": "longest",
    "pattern": "pattern",
}


def _read_of(annotation: Any, bounds: _Bounds) -> _Read:
    """How a value of this annotation is read.

    Raises TypeError for an annotation that no model may have; numbers and lists must have bounds.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        for note in arguments[1:]:
            bounds = bounds.within(note)
        return _read_of(arguments[0], bounds)
    if origin in (Union, UnionType):
        return _read_union(arguments, bounds)
    if origin is Literal:
        return lambda value, place: read_choice(value, place, arguments, what=bounds.what)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return _read_row([_read_of(kind, _Bounds()) for kind in arguments])
    if origin is tuple and bounds.longest is not None:
        return _read_items(_read_of(arguments[0], _Bounds()), bounds.fewest, bounds.longest)
    if annotation is bool:
        return read_flag
    if annotation is int and bounds.least is not None and bounds.most is not None:
        least, most = bounds.least, bounds.most
        return lambda value, place: read_integer(value, place, least=least, most=most)
    if annotation is str:
        return lambda value, place: _read_pattern(value, place, bounds)
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return lambda value, place: read_model(annotation, value, place)
    raise TypeError(f"A document model cannot have a field of type {annotation} with {bounds}.")


def _read_union(kinds: Sequence[Any], bounds: _Bounds) -> _Read:
    """null, or a text, or the one other kind there is."""
    plain = {_plain(kind): kind for kind in kinds}
    nullable = plain.pop(NoneType, None) is not None
    read_string = _read_of(plain.pop(str), bounds) if str in plain else None
    if len(plain) > 1:
        raise TypeError(f"A document model cannot tell {list(plain)} apart.")
    read_other = next((_read_of(kind, bounds) for kind in plain.values()), read_string)
    assert read_other is not None

    def read_any(value: Any, place: Place) -> Any:
        if value is None and nullable:
            return None
        if isinstance(value, str) and read_string is not None:
            return read_string(value, place)
        return read_other(value, place)

    return read_any


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _read_row(reads: Sequence[_Read]) -> _Read:
    """An array of as many items, each of its own kind."""

    def read_row(value: Any, place: Place) -> tuple[Any, ...]:
        items = read_list(value, place, most=sys.maxsize)
        if len(items) != len(reads):
            raise place.refuse(f"{place.named} has {len(items)} items; expected {len(reads)}.")
        return tuple(
            read(item, place / index) for index, (read, item) in enumerate(zip(reads, items, strict=True))
        )

    return read_row


def _read_items(read: _Read, fewest: int, longest: int) -> _Read:
    """An array of items of one kind."""

    def read_items(value: Any, place: Place) -> tuple[Any, ...]:
        items = read_list(value, place, most=longest)
        if len(items) < fewest:
            raise place.refuse(f"{place.named} has {len(items)} items; expected {fewest} or more.")
        return tuple(read(item, place / index) for index, item in enumerate(items))

    return read_items


def _read_pattern(value: Any, place: Place, bounds: _Bounds) -> str:
    text = read_text(value, place, max_length=bounds.longest or sys.maxsize)
    if bounds.pattern is not None and not re.search(bounds.pattern, text):
        raise place.refuse(f"{place.named} is {shown(text)}; expected text of the form {bounds.pattern}")
    return text
