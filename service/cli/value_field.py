"""Which field of somebody's results is the value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.errors import InvalidRequest
from service.graph_io.entries import ARCHITECTURE_FIELDS, FIELDS

VALUE = "value"
# Numbers that nobody wants predicted.
_COUNTERS = (
    "",
    "seed",
    "seeds",
    "epoch",
    "epochs",
    "index",
    "id",
    "rank",
    "line",
    "Unnamed: 0",
    "params",
    "flops",
)


def with_value(items: Sequence[Any], field: str | None, measured: str) -> list[Any]:
    """The items with what was measured under `value`.

    field: where it stands now. None: under `value`, under the name of the property, or in the only field of
    numbers.

    Raises InvalidRequest where no field is it, or several may be.
    """
    objects = [item for item in items if isinstance(item, Mapping)]
    if not objects:
        return list(items)
    names = dict.fromkeys(name for item in objects for name in item)
    chosen = field or _chosen(objects, names, measured)
    if chosen not in names:
        raise InvalidRequest(
            f"No result has the field {chosen!r}.", field="/value", hint=f"There are: {', '.join(names)}."
        )
    if chosen == VALUE:
        return list(items)
    return [
        {**{name: value for name, value in item.items() if name not in (chosen, VALUE)}, VALUE: item[chosen]}
        if isinstance(item, Mapping) and chosen in item
        else item
        for item in items
    ]


def _chosen(objects: Sequence[Mapping[str, Any]], names: Mapping[str, None], measured: str) -> str:
    for name in (VALUE, measured):
        if name in names:
            return name
    known = {"format", *ARCHITECTURE_FIELDS, *(name for known in FIELDS.values() for name in known)}
    numbers = [name for name in names if name not in known and _all_numbers(name, objects)]
    likely = [name for name in numbers if name not in _COUNTERS]
    if len(likely) == 1:
        return likely[0]
    raise InvalidRequest(
        "It is not clear which field is the value: "
        + (", ".join(likely or numbers) if numbers else "none holds numbers")
        + ".",
        field="/value",
        hint=f"Name it: --value {likely[0]}" if likely else 'Give every result a "value".',
    )


def _all_numbers(name: str, objects: Sequence[Mapping[str, Any]]) -> bool:
    """Numbers, or nothing where a training failed; in at least one object a number."""
    values = [item.get(name) for item in objects]
    plain = [isinstance(value, int | float) and not isinstance(value, bool) for value in values]
    return any(plain) and all(number or value is None for number, value in zip(plain, values, strict=True))
