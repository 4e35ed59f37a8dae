"""Files that commands write: the name says what is in one, and it appears whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import typer

from service.kit.whole_file import whole_file


def check_target(
    file: Path, content: str, *endings: str, sources: Iterable[str] = (), option: str = "-o"
) -> None:
    """Refuse a name that says something else, and a file that is one of the sources. For before the work.

    content: what is written, in the plural. Raises BadParameter.
    """
    if file.suffix.lower() not in endings:
        raise typer.BadParameter(
            f"{file}: {content} are written as {' or '.join(endings)}", param_hint=option
        )
    refuse_sources(file, sources, option=option)


def refuse_sources(file: Path, sources: Iterable[str], *, option: str = "-o") -> None:
    """Raises BadParameter if the file is one of the sources."""
    if any(is_same_file(file, source) for source in sources):
        raise typer.BadParameter(f"{file} is the source itself", param_hint=option)


def is_same_file(file: Path, source: str) -> bool:
    """A source may be a text that is longer than the name of a file can be, which is an error to pathlib."""
    return os.path.exists(source) and os.path.exists(file) and os.path.samefile(file, source)


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """`whole_file`, in a folder that is made if it is not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target) as path:
        yield path


@contextmanager
def new_csv(target: Path) -> Iterator[TextIO]:
    """`new_file`, open for a writer of CSV. The name of a file that is bytes of no text stays these bytes."""
    with (
        new_file(target) as path,
        path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        yield file


def write_json_lines(target: Path, documents: Iterable[Any]) -> None:
    """A document a line, each as it comes."""
    with new_file(target) as path, path.open("w", encoding="utf-8") as file:
        file.writelines(map(json_line, documents))


def json_line(document: Any) -> str:
    return json.dumps(document, separators=(",", ":")) + "\n"
