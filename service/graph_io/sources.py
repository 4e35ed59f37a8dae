"""SOURCE texts: what the command line, and the client, call an architecture by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.errors import InvalidInput
from service.graph_io.fields import shown
from service.graph_io.short_texts import EXAMPLES, short_text

_STANDARD_INPUT = "-"
_FILE_ENDINGS = (".onnx", ".json")
_SHOWN_TEXT = 200


@dataclass(frozen=True, slots=True)
class Source:
    """What a text stands for.

    document: what the text says in full. path: the file to read. Neither: standard input.
    """

    document: Mapping[str, Any] | None = None
    path: Path | None = None


def parse_source(text: str) -> Source:
    """A .onnx or .json file, a short text (`short_texts.py`), or `-` for standard input.

    Reads nothing. Raises InvalidInput for any other text.
    """
    document = short_text(text)
    if document is not None:
        return Source(document=document)
    if text == _STANDARD_INPUT:
        return Source()
    if names_file(text):
        return Source(path=Path(text))
    raise InvalidInput(
        f"{shown(text)} is not a recognised source.",
        source=text[:_SHOWN_TEXT],
        hint=f"Give a .onnx or .json file, {EXAMPLES}, or - for standard input.",
    )


def names_file(text: str) -> bool:
    """Whether a text ends like a file of an architecture."""
    return Path(text).suffix.lower() in _FILE_ENDINGS


def read_file(path: Path) -> bytes:
    """The bytes of a user's file. Raises InvalidInput with the system's reason."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a path with a null byte is a ValueError
        reason = getattr(error, "strerror", None) or type(error).__name__
        text = str(path)
        raise InvalidInput(f"{shown(text)} cannot be read: {reason}.", source=text[:_SHOWN_TEXT]) from error
