"""Documents checked against the classes of the contract, and what is written down of an option object."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from functools import partial
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json, to_jsonable_python

from service.contract.known_fields import Place, known_fields
from service.contract.options import Options
from service.errors import InvalidRequest
from service.json_pointer import pointer
from service.kit.field_messages import sentence
from service.kit.json_types import JsonObject

OptionsT = TypeVar("OptionsT", bound=Options)

_adapters: dict[type[Options], TypeAdapter[Any]] = {}


def read(
    options: type[OptionsT], document: Mapping[str, Any], *, where: str = "options", strict: bool = False
) -> OptionsT:
    """Raises InvalidRequest naming every field that is wrong. where: body, query, form or options. strict: of
    a JSON document whose types must be right, without "1" for 1.
    """
    try:
        if strict:
            # As JSON: of Python objects, strictness would take none but instances of the class.
            checked: OptionsT = adapter(options).validate_json(to_json(document), strict=True)
        else:
            checked = adapter(options).validate_python(dict(document))
        return checked
    except ValidationError as error:
        raise from_validation(error, options, where=where) from None


def read_texts(options: type[OptionsT], texts: Mapping[str, str], *, where: str) -> OptionsT:
    """From a query or a form, where everything is text. Raises InvalidRequest as `read`."""
    try:
        checked: OptionsT = adapter(options).validate_strings(dict(texts))
        return checked
    except ValidationError as error:
        raise from_validation(error, options, where=where) from None


def adapter(options: type[Options]) -> TypeAdapter[Any]:
    """Made once: it takes milliseconds."""
    if options not in _adapters:
        _adapters[options] = TypeAdapter(options)
    return _adapters[options]


def properties(options: type[Options]) -> JsonObject:
    """JSON Schemas of the options by name."""
    return dict(adapter(options).json_schema()["properties"])


def written(options: Options, *, leave_out: Sequence[str] = ()) -> JsonObject:
    """What differs from the defaults, for JSON: `read` makes the same object of it."""
    return {
        entry.name: _value(getattr(options, entry.name))
        for entry in fields(options)
        if entry.name not in leave_out and getattr(options, entry.name) != _default(entry)
    }


def _value(value: Any) -> Any:
    if isinstance(value, Options):
        return written(value)
    if isinstance(value, tuple | list):
        return [_value(item) for item in value]
    return to_jsonable_python(value)


def _default(entry: Field[Any]) -> Any:
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


def dotted(options: type[Options]) -> str:
    """The name by which `resolve` finds the class."""
    return f"{options.__module__}:{options.__qualname__}"


def from_validation(error: ValidationError, kind: Any = None, *, where: str = "body") -> InvalidRequest:
    """kind: the class that the document should be of."""
    entries = error.errors(include_url=False, include_input=False)
    return invalid_fields(entries, where=where, known=partial(known_fields, kind))


def invalid_fields(
    entries: Sequence[Mapping[str, Any]],
    *,
    where: str = "body",
    known: Callable[[Place], Collection[str]] = lambda place: (),
) -> InvalidRequest:
    """One error for all fields that pydantic refused. `where`: body, query, path, header or options.

    known: the fields that there are at a place, for a misspelt one.
    """
    listed = [
        {
            "pointer": pointer(*entry["loc"]),
            "in": where,
            "detail": sentence(
                "/".join(map(str, entry["loc"])) or f"The {where}", entry, known(entry["loc"][:-1])
            ),
            "code": str(entry["type"]),
        }
        for entry in entries[:20]
    ]
    others = len(entries) - 1
    more = f" ({others} more {'field is' if others == 1 else 'fields are'} wrong.)" if others else ""
    return InvalidRequest(listed[0]["detail"] + more, field=listed[0]["pointer"], errors=listed)
