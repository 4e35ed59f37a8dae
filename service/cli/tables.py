"""Tables with a header, as spreadsheets and pandas write them: rows become objects."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from service.graph_io.entries import ARCHITECTURE_FIELDS, FIELDS
from service.predictors.rankers.observations import FAILED_WORDS

_SEPARATORS = ("\t", ";", ",")
# Codes that look like numbers keep their leading zeros.
_TEXT_FIELDS = {"format", "name", "matrix", "ops", "input", "stem", "norm", *ARCHITECTURE_FIELDS}
_KNOWN = {"value", *_TEXT_FIELDS, *(name for names in FIELDS.values() for name in names)}
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.IGNORECASE)
# Cells hold whole architectures; more is no table.
_LONGEST_CELL = 2**20


def read_table(text: str) -> list[tuple[int, dict[str, Any]]] | None:
    """(number of the line, fields by the name of their column) of every row; None in cells that
    are empty or say that a training failed. None for a text that is no table with a column of architectures.
    """
    for separator in _SEPARATORS:
        rows = _rows(text, separator)
        header = next(rows, None)
        if header is None or not _has_architectures(names := _names(header[1])):
            continue
        return [(number, _fields(names, cells, separator)) for number, cells in rows]
    return None


def _fields(names: Sequence[str], cells: Sequence[str], separator: str) -> dict[str, Any]:
    """Columns without a name are the numbers that pandas gives its rows."""
    pairs = [(name, cell.strip()) for name, cell in zip(names, cells, strict=False) if name]
    return {name: _typed(name, cell, separator) for name, cell in pairs if cell or name not in _TEXT_FIELDS}


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    number = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield number, cells
            number = reader.line_num + 1
    except csv.Error:
        return


def _names(header: Sequence[str]) -> list[str]:
    """Names that mean something to us in lower case, others as they are."""
    return [name.strip().lower() if name.strip().lower() in _KNOWN else name.strip() for name in header]


def _has_architectures(names: Sequence[str]) -> bool:
    return bool({"format", *ARCHITECTURE_FIELDS} & {*names}) or {"matrix", "ops"} <= {*names}


def _typed(name: str, text: str, separator: str) -> Any:
    if name in _TEXT_FIELDS:
        return text
    if text.lower() in FAILED_WORDS:
        return None
    if _WHOLE.fullmatch(text):
        return int(text)
    if separator != "," and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        return float(text.removesuffix("%"))
    except ValueError:
        return {"true": True, "false": False}.get(text.lower(), text)
