"""Tables, as spreadsheets and pandas write them: rows become objects."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from service.errors import InvalidInput
from service.graph_io.entries import ARCHITECTURE_FIELDS, FIELDS
from service.graph_io.short_texts import short_text
from service.kit.json_types import JsonObject
from service.predictors.rankers.number_texts import FAILED_WORDS, numbers_of

_SEPARATORS = ("\t", ";", ",")
# Codes that look like numbers keep their leading zeros.
_TEXT_FIELDS = {"format", "name", "matrix", "ops", "input", "stem", "norm", *ARCHITECTURE_FIELDS}
_KNOWN = {"value", *_TEXT_FIELDS, *(name for names in FIELDS.values() for name in names)}
# Cells hold whole architectures; more is no table.
_LONGEST_CELL = 2**20
_TRUTH = {"true": True, "false": False}

# Number of its line, and cells.
_Row = tuple[int, list[str]]


def read_table(text: str) -> list[tuple[int, JsonObject]] | None:
    """(number of the line, fields by the name of their column) of every row; None in cells that are empty or
    say that a training failed. None for a text that is no table with a column of architectures.

    The architectures are in a column that is called so, or in the only one that holds nothing but short texts
    of them; without a header, columns are called by their numbers.

    Raises InvalidInput for two columns of one name.
    """
    for separator in _SEPARATORS:
        rows = _rows(text, separator)
        if not rows:
            continue
        names, rows = _header(rows)
        if names is not None:
            _check_names(names)
            return _objects(names, rows, separator)
    return None


def _rows(text: str, separator: str) -> list[_Row]:
    """All but empty ones, comments, and the line by which a spreadsheet is told the separator."""
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    rows: list[_Row] = []
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) and not _is_remark(cells, first=not rows):
                rows.append((number, cells))
            number = reader.line_num + 1
    except csv.Error:
        return []
    return rows


def _is_remark(cells: Sequence[str], *, first: bool) -> bool:
    start = cells[0].strip().lower()
    return start.startswith("# ") or (first and start.startswith("sep="))


def _header(rows: list[_Row]) -> tuple[list[str] | None, list[_Row]]:
    """Names of the columns, and the rows below them; None without a column of architectures."""
    names = _names(rows[0][1])
    if _has_architectures(names):
        return names, rows[1:]
    column = _column_of_architectures([cells for _, cells in rows[1:]])
    if column is None or column >= len(names):
        return None, rows
    if short_text(names[column]) is not None:  # it has no header
        names, below = [f"column {number}" for number in range(1, len(names) + 1)], rows
    else:
        below = rows[1:]
    names[column] = "architecture"
    return names, below


def _column_of_architectures(rows: Sequence[Sequence[str]]) -> int | None:
    width = min(map(len, rows), default=0)
    columns = [column for column in range(width) if all(short_text(cells[column]) for cells in rows)]
    return columns[0] if len(columns) == 1 else None


def _check_names(names: Sequence[str]) -> None:
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(f"Two columns are called {twice!r}.", hint="Give each column a name of its own.")


def _objects(names: Sequence[str], rows: Sequence[_Row], separator: str) -> list[tuple[int, JsonObject]]:
    """Columns without a name are the numbers that pandas gives its rows; a row that is too short lacks its
    last cells.
    """
    columns = {
        name: _typed(name, column, separator)
        for name, column in zip(names, zip_longest(*(cells for _, cells in rows), fillvalue=""), strict=False)
        if name
    }
    return [
        (
            number,
            {
                name: column[index]
                for name, column in columns.items()
                if column[index] not in ("", None) or name not in _TEXT_FIELDS
            },
        )
        for index, (number, _) in enumerate(rows)
    ]


def _names(header: Sequence[str]) -> list[str]:
    """Names that mean something to us in lower case, others as they are."""
    return [name.strip().lower() if name.strip().lower() in _KNOWN else name.strip() for name in header]


def _has_architectures(names: Sequence[str]) -> bool:
    return bool({"format", *ARCHITECTURE_FIELDS} & {*names}) or {"matrix", "ops"} <= {*names}


def _typed(name: str, column: Sequence[str], separator: str) -> list[Any]:
    texts = [text.strip() for text in column]
    if name in _TEXT_FIELDS:
        return list(texts)
    numbers = numbers_of(texts, comma_is_decimal=separator != ",")
    return [_value(text, number) for text, number in zip(texts, numbers, strict=True)]


def _value(text: str, number: float | None) -> Any:
    if text.lower() in FAILED_WORDS:
        return None
    return _TRUTH.get(text.lower(), text) if number is None else number
