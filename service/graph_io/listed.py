"""Lists of networks, JSON Lines, and their lines by number: `nets.jsonl:3`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from service.errors import InvalidInput
from service.graph_io.short_texts import parse_line

_ENDING = ".jsonl"
_NUMBERED = re.compile(r"(?P<path>.+\.jsonl):(?P<line>\d{1,9})", re.IGNORECASE | re.DOTALL)


def names_list(text: str) -> bool:
    """Whether a text ends like a list."""
    return Path(text).suffix.lower() == _ENDING


def numbered_line(text: str) -> tuple[Path, int] | None:
    """The list and the number of its line, from 1, that a text names; None for any other text."""
    match = _NUMBERED.fullmatch(text)
    return None if match is None else (Path(match["path"]), int(match["line"]))


def line_numbers(path: Path) -> tuple[int, ...]:
    """Of the lines that are not empty. Raises OSError."""
    return tuple(_places(path))


def read_line(path: Path, number: int) -> Mapping[str, Any]:
    """The architecture of a line, in any form that lists take (`entries.py`); it is not checked.

    Raises OSError, and InvalidInput, InvalidArchitecture, LimitExceeded for a line that is not there or has
    no architecture.
    """
    # Loads pydantic, which the command line's help has no use for.
    from service.graph_io.entries import read_entry

    places = _places(path)
    if number not in places:
        last = f"its last is {max(places)}" if places else "it is empty"
        raise InvalidInput(f"{path} has nothing in line {number}; {last}.", source=f"{path}:{number}")
    with path.open("rb") as file:
        file.seek(places[number])
        document: Mapping[str, Any] = read_entry(parse_line(file.readline())).document
    return document


def _places(path: Path) -> Mapping[int, int]:
    """Where each line that is not empty begins, by its number."""
    state = path.stat()
    return _places_of(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _places_of(path: Path, modified: int, size: int) -> Mapping[int, int]:
    """A list is walked once for all its lines, unless it changes."""
    places, place = {}, 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                places[number] = place
            place += len(line)
    return places
