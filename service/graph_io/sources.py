"""SOURCE texts: what the command line, and the client, call an architecture by."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from service.errors import InvalidInput
from service.graph_io.fields import shown
from service.graph_io.listed import line_numbers, names_list, numbered_line, read_line
from service.graph_io.short_texts import EXAMPLES, short_text

T = TypeVar("T")

_STANDARD_INPUT = "-"
_FILE_ENDINGS = (".onnx", ".json")
_SHOWN_TEXT = 200
_AS_CODE = "On the command line, name the network in its code: file.py:MyNet."
_CODE = "a file of Python code", _AS_CODE
_WEIGHTS = (
    "a file of weights, which do not say what the network computes",
    f"Export the network with torch.onnx.export. {_AS_CODE} In Python, pass the module itself.",
)
_OTHER = "a model of another framework", "Convert it to ONNX, for example with tf2onnx."
# What people take for an architecture, by the ending of its name, and what to do.
_LOOKALIKES = {
    ".py": _CODE,
    **dict.fromkeys((".bin", ".ckpt", ".npz", ".pkl", ".pt", ".pth", ".safetensors"), _WEIGHTS),
    **dict.fromkeys((".h5", ".keras", ".mlmodel", ".pb", ".tflite"), _OTHER),
}
# Smaller files are not worth the walk.
_WHOLE_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Source:
    """What a text stands for.

    document: what the text says in full. path: the file to read. line: that alone of the file, a list.
    Nothing: standard input.
    """

    document: Mapping[str, Any] | None = None
    path: Path | None = None
    line: int | None = None


def parse_source(text: str) -> Source:
    """A .onnx or .json file, a line of a list (`listed.py`), a short text (`short_texts.py`), or `-` for
    standard input.

    Reads nothing. Raises InvalidInput for any other text.
    """
    document = short_text(text)
    if document is not None:
        return Source(document=document)
    if text == _STANDARD_INPUT:
        return Source()
    if names_file(text):
        return Source(path=Path(text))
    if (numbered := numbered_line(text)) is not None:
        return Source(None, *numbered)
    if names_list(text):
        raise InvalidInput(
            f"{shown(text)} is a list of networks.",
            source=text[:_SHOWN_TEXT],
            hint=f"Name one by its line: {text[-_SHOWN_TEXT:]}:1.",
        )
    if (lookalike := _LOOKALIKES.get(Path(text).suffix.lower())) is not None:
        what, hint = lookalike
        raise InvalidInput(f"{shown(text)} is {what}.", source=text[:_SHOWN_TEXT], hint=hint)
    raise InvalidInput(
        f"{shown(text)} is not a recognised source.",
        source=text[:_SHOWN_TEXT],
        hint=f"Give a .onnx or .json file, a line of a list as nets.jsonl:1, {EXAMPLES}, or - for standard "
        "input; on the command line, also a network in code as file.py:MyNet.",
    )


def names_file(text: str) -> bool:
    """Whether a text ends like a file of an architecture."""
    return Path(text).suffix.lower() in _FILE_ENDINGS


def read_file(path: Path) -> bytes:
    """The bytes of a user's file. Raises InvalidInput with the system's reason."""
    return _read(path, Path.read_bytes)


def read_listed(path: Path, line: int) -> Mapping[str, Any]:
    """The architecture in a line of a list. Raises InvalidInput with the system's reason, and what
    `read_line` raises.
    """
    return _read(path, partial(read_line, number=line))


def read_outline(path: Path, *, larger_than: int = _WHOLE_BYTES) -> bytes:
    """The bytes of a file that holds an architecture; of an ONNX model of more bytes than `larger_than`, all
    but its weights, which stay on the disk. Raises InvalidInput with the system's reason.
    """
    return _read(path, partial(_outline, larger_than=larger_than))


def _outline(path: Path, larger_than: int) -> bytes:
    from service.graph_io.onnx_outline import outline
    from service.graph_io.read import sniff

    with path.open("rb") as file:
        start = file.read(larger_than + 1)
        if len(start) <= larger_than or sniff(start) != "onnx":
            return start + file.read()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return outline(data)


def numbers_listed(path: Path) -> tuple[int, ...]:
    """The lines of a list that are not empty. Raises InvalidInput with the system's reason."""
    return _read(path, line_numbers)


def _read(path: Path, read: Callable[[Path], T]) -> T:
    try:
        return read(path)
    except (OSError, ValueError) as error:  # a path with a null byte is a ValueError
        reason = getattr(error, "strerror", None) or type(error).__name__
        text = str(path)
        raise InvalidInput(f"{shown(text)} cannot be read: {reason}.", source=text[:_SHOWN_TEXT]) from error
