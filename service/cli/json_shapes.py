"""The records of a JSON document: lists, lists within objects, columns, and objects by architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.graph_io.short_texts import short_text
from service.kit.json_types import JsonObject

_LIST_KEYS = ("observations", "architectures", "results")


def items_of(document: Any) -> list[Any] | None:
    """None where it is one object that may be a record itself."""
    if isinstance(document, list):
        return [_from_pair(item) for item in document]
    for key in _LIST_KEYS:
        if isinstance(document.get(key), list):
            return [_from_pair(item) for item in document[key]]
    if rows := _of_split(document) or _of_columns(document):
        return rows
    if len(document) > 1 and all(short_text(key) is not None for key in document):
        return [_by_key(key, value) for key, value in document.items()]
    return None


def _by_key(key: str, value: Any) -> JsonObject:
    if isinstance(value, Mapping):
        return {**value, "architecture": key}
    return {"architecture": key, "value": value}


def _from_pair(item: Any) -> Any:
    """[architecture, value] as an object."""
    is_pair = isinstance(item, list) and len(item) == 2 and isinstance(item[0], str | Mapping)
    return {"architecture": item[0], "value": item[1]} if is_pair else item


def _of_split(document: Mapping[str, Any]) -> list[Any]:
    """`DataFrame.to_json(orient="split")` of pandas."""
    columns, rows = document.get("columns"), document.get("data")
    if not isinstance(columns, list) or not isinstance(rows, list):
        return []
    if not all(isinstance(row, list) and len(row) == len(columns) for row in rows):
        return []
    return [_row(columns, row) for row in rows]


def _of_columns(document: Mapping[str, Any]) -> list[Any]:
    """A list for each column, or an object by the number of the row, as pandas writes it."""
    columns: list[Sequence[Any]] = []
    for column in document.values():
        if isinstance(column, Mapping) and all(str(key).isdigit() for key in column):
            columns.append(list(column.values()))
        elif isinstance(column, list):
            columns.append(column)
        else:
            return []
    if len(columns) < 2 or len({len(column) for column in columns}) != 1:
        return []
    # The fields of one architecture may be lists as well.
    if not any(all(isinstance(cell, str) and short_text(cell) for cell in column) for column in columns):
        return []
    return [_row(list(document), row) for row in zip(*columns, strict=True)]


def _row(names: Sequence[Any], cells: Sequence[Any]) -> JsonObject:
    return {str(name): cell for name, cell in zip(names, cells, strict=True)}
