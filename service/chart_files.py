"""Files that charts are saved in. Without matplotlib, so that a name can be refused before any work."""

from __future__ import annotations

from pathlib import Path

from service.errors import InvalidRequest

FORMATS = ("png", "svg")


def format_of(path: Path) -> str:
    """png or svg, by the ending. Raises InvalidRequest for another one."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise InvalidRequest(
            f"A chart cannot be written as {path.name!r}.", field="/plot", hint="Use a name in .png or .svg."
        )
    return ending
