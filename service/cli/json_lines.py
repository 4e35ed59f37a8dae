"""Files of JSON lines: an object a line, empty lines left out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from service.errors import InvalidInput, LimitExceeded, ServiceError

MAX_LINE_BYTES = 64 * 2**20


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """(line number from 1, value) of every line that says something; the error, where it is not JSON.

    path: `-` is standard input.
    """
    from service.graph_io.json_text import parse_json

    with nullcontext(sys.stdin.buffer) if str(path) == "-" else open(path, "rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise LimitExceeded(
                    f"Line {number} is longer than {MAX_LINE_BYTES:,} bytes.", limit=MAX_LINE_BYTES
                )
            if not line.strip():
                continue
            try:
                yield number, parse_json(line)
            except ServiceError as error:
                error.extra["line"] = number
                yield number, error


def all_lines(path: Path) -> list[tuple[int, Any]]:
    """The same as a list. Raises InvalidInput for a file without any line."""
    lines = list(read_lines(path))
    if not lines:
        raise InvalidInput(f"{path} is empty.", hint="Give one JSON object a line.")
    return lines
