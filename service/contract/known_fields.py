"""Which fields there are at a place of a document: what a misspelt one may have meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict

Place = Sequence[str | int]


def known_fields(kind: Any, place: Place = ()) -> tuple[str, ...]:
    """Names of the fields at a place, such as ("stages", 0), in a document of this class or annotation; () if
    nothing there has named fields.
    """
    for step in place:
        kind = next((part for form in _forms(kind) if (part := _part(form, step)) is not None), None)
    return tuple(name for form in _forms(kind) for name in _fields(form))


def _forms(annotation: Any) -> Iterator[Any]:
    """What an annotation allows, without what it says beside the types."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _forms(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for form in get_args(annotation):
            yield from _forms(form)
    else:
        yield annotation


def _part(form: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return next(iter(get_args(form)), None)
    return _fields(form).get(step)


def _fields(form: Any) -> dict[str, Any]:
    """Annotations by name, of a dataclass, a model of pydantic or a typed dictionary."""
    names = getattr(form, "__dataclass_fields__", None) or getattr(form, "model_fields", None)
    if names is None and not is_typeddict(form):
        return {}
    hints = get_type_hints(form, include_extras=True)
    return {name: hints[name] for name in (hints if names is None else names)}
