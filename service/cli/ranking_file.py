"""A ranking as a file that other commands and spreadsheets take: JSON Lines or CSV, by its ending."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.cli.output_file import new_csv, write_json_lines
from service.graph_io.short_texts import as_source
from service.kit.json_types import JsonObject

if TYPE_CHECKING:
    from service.contract.results import RankedArchitecture

_COLUMNS = ("rank", "name", "score", "value", "low", "high", "architecture")
ENDINGS = (".jsonl", ".csv")


def write_ranking(file: Path, rows: Sequence[RankedArchitecture], architectures: Sequence[Any]) -> None:
    """architectures: by the `index` of the rows, as they were read."""
    records = [_record(row, architectures[row.index]) for row in rows]
    if file.suffix.lower() != ".csv":
        write_json_lines(file, records)
        return
    with new_csv(file) as lines:
        writer = csv.DictWriter(lines, _COLUMNS)
        writer.writeheader()
        writer.writerows({**record, "architecture": _text(record["architecture"])} for record in records)


def _record(row: RankedArchitecture, entry: Any) -> JsonObject:
    low, high = row.interval or (None, None)
    inner = entry.get("architecture", entry) if isinstance(entry, Mapping) else entry
    values = (row.rank, row.name, row.score, row.value, low, high, inner)
    return dict(zip(_COLUMNS, values, strict=True))


def _text(architecture: Any) -> str:
    return as_source(architecture) if isinstance(architecture, Mapping) else str(architecture)
