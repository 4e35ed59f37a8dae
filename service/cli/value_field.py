"""Which field of somebody's results is the value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.errors import InvalidRequest
from service.graph_io.entries import ARCHITECTURE_FIELDS, FIELDS
from service.kit.json_types import JsonObject
from service.predictors.rankers.number_texts import number_of

VALUE = "value"
_ARCHITECTURE = {"format", *ARCHITECTURE_FIELDS, *(name for names in FIELDS.values() for name in names)}
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

    field: where it stands now, with dots for fields within fields. None: under `value`, under the name of the
    property, or in the only field of numbers.

    Raises InvalidRequest where no field is it, or several may be.
    """
    objects = [_with_inner(item) for item in items if isinstance(item, Mapping)]
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
    return [_moved(item, chosen) if isinstance(item, Mapping) else item for item in items]


def _moved(item: Mapping[str, Any], chosen: str) -> Mapping[str, Any]:
    flat = _with_inner(item)
    if chosen not in flat:
        return item
    others = {name: value for name, value in item.items() if name not in (chosen, VALUE)}
    return {**others, VALUE: flat[chosen]}


def _with_inner(item: Mapping[str, Any]) -> JsonObject:
    """Numbers of objects within an item beside its fields: `{"results": {"accuracy": 93.1}}` has
    `results.accuracy`.
    """
    flat = dict(item)
    for name, inner in item.items():
        if isinstance(inner, Mapping) and name not in _ARCHITECTURE:
            within = _with_inner(inner)
            flat |= {f"{name}.{key}": value for key, value in within.items() if _is_measured(value)}
    return flat


def _is_measured(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _chosen(objects: Sequence[Mapping[str, Any]], names: Mapping[str, None], measured: str) -> str:
    for name in (VALUE, measured):
        if name in names:
            return name
    numbers = [name for name in names if name not in _ARCHITECTURE and _all_numbers(name, objects)]
    likely = [name for name in numbers if name.rpartition(".")[2] not in _COUNTERS]
    within = [name for name in likely if name.rpartition(".")[2] in (VALUE, measured)]
    if len(within) == 1:
        return within[0]
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
    """Numbers, or nothing where a training failed; in at least one object a number. Of texts, numbers too."""
    values = [item.get(name) for item in objects]
    plain = [value for value in values if value is not None]
    return bool(plain) and all(_is_measured(_read(value)) for value in plain)


def _read(value: Any) -> Any:
    return number_of(value) or value if isinstance(value, str) else value
