"""Files of records: results, or lists of architectures, in the forms that people have them.

JSON Lines (an object per line), a JSON array, an object with the list under `observations` or `architectures`
or with an architecture's short text for each key, columns, a table, or short texts, one a line; packed by
gzip or zip or not. What is none of these gets one message that says what it looks like.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from service.errors import InvalidInput, ServiceError
from service.graph_io.json_text import parse_json
from service.graph_io.short_texts import parse_line, short_text

_CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
# Two right lines each, for who has none.
RESULT_LINES = (
    json.dumps({"architecture": {"format": "nasbench201", "cell": _CELL}, "value": 91.5}),
    json.dumps({"architecture": "torchvision:resnet18", "value": 93.1}),
)
ARCHITECTURE_LINES = (
    json.dumps({"format": "nasbench201", "cell": _CELL}),
    json.dumps({"format": "torchvision", "name": "resnet18"}),
)


@dataclass(frozen=True, slots=True)
class Record:
    """number: of its line in the file, or of the item in its list, from 1. value: what it says, or the error
    of a line that cannot be read.
    """

    number: int
    value: Any


@dataclass(frozen=True, slots=True)
class Line:
    """A record as its line of JSON, which is parsed at each look: a graph takes ten times the memory of its
    text.
    """

    number: int
    text: str

    @property
    def value(self) -> Any:
        try:
            return parse_line(self.text, finite=False)
        except ServiceError as error:
            error.extra["line"] = self.number
            return error


@dataclass(frozen=True, slots=True)
class Records:
    """unit: what the numbers count, "line" or "item"."""

    unit: str
    items: tuple[Record | Line, ...]

    @property
    def values(self) -> Values:
        return Values(self.items)

    def label(self, index: int) -> str:
        """Where the record of this index, from 0, stands in the file."""
        return f"{self.unit} {self.items[index].number}"


class Values(Sequence[Any]):
    """What the records say, one after another; the memory of all is taken by who makes a list of them."""

    def __init__(self, items: tuple[Record | Line, ...]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return (item.value for item in self._items)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Values: ...
    def __getitem__(self, index: int | slice) -> Any:
        return Values(self._items[index]) if isinstance(index, slice) else self._items[index].value


def read_records(path: Path, right_lines: tuple[str, str]) -> Records:
    """All records of a file; `-` is standard input. A line of JSON that is broken is a record with its error.

    right_lines: two lines as they should be, for the message to who has none.

    Raises InvalidInput for an empty file, or one that holds no records.
    """
    # csv, and the names of columns: only for who has a file
    from service.cli.file_contents import text_of, unpacked
    from service.cli.file_kinds import binary_kind, text_kind
    from service.cli.tables import read_table

    data = unpacked(sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes())
    if not data.strip():
        raise InvalidInput(f"{path} is empty.", hint=_advice(right_lines))
    text = text_of(data)
    kind = binary_kind(data) or (None if text is not None else "a binary file")
    del data  # of a long list as large as its text
    if text is None or kind is not None:
        raise _unlike(path, str(kind), right_lines)
    start = text.lstrip()[:1]
    if start in ("[", "{"):
        records = _from_json(text)
    elif texts := _short_texts(text):
        return Records("line", texts)
    else:
        table = read_table(text)
        records = None if table is None else Records("line", tuple(Record(*row) for row in table))
    if records is None:
        raise _unlike(path, text_kind(text), right_lines)
    return records


def _from_json(text: str) -> Records | None:
    """None where not one line is JSON, nor the whole. Lines of a whole document may be JSON themselves."""
    from service.cli.json_shapes import items_of

    lines = _json_lines(text) if text.lstrip()[0] == "{" else ()
    if len(lines) > 1 and _is_read(lines[0]):
        return Records("line", lines)
    try:
        document = parse_json(text, finite=False)
    except InvalidInput as error:
        if len(lines) > 1 and any(map(_is_read, lines)):
            return Records("line", lines)
        if error.extra.get("column", 0) == 1 or text.lstrip()[1:2] == "'":
            return None
        raise
    items = items_of(document)
    if items is None:
        return Records("line", (Record(1, document),))
    return Records("item", tuple(Record(number, value) for number, value in enumerate(items, start=1)))


def _json_lines(text: str) -> tuple[Line, ...]:
    """A record for each line that says something."""
    lines = enumerate(text.split("\n"), start=1)
    return tuple(Line(number, line.rstrip().rstrip(",")) for number, line in lines if line.strip())


def _is_read(line: Line) -> bool:
    return not isinstance(line.value, ServiceError)


def _short_texts(text: str) -> tuple[Record, ...]:
    """Records of a file whose every line is a short text, if that is what it is."""
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if any(short_text(line) is None for _, line in lines):
        return ()
    return tuple(Record(number, line) for number, line in lines)


def _unlike(path: Path, kind: str, right_lines: tuple[str, str]) -> InvalidInput:
    return InvalidInput(
        f"{path} looks like {kind}, where JSON Lines (one object per line), a JSON array, or a table with a "
        "header was expected.",
        hint=_advice(right_lines),
    )


def _advice(right_lines: tuple[str, str]) -> str:
    return "\n".join(("Two right lines:", *right_lines))
