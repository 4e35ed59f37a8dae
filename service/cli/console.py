"""Standard output and standard error of the commands.

`--json` gives exactly one JSON document on standard output. Otherwise results are plain lines there. Progress
is a bar on standard error where that is a terminal, and absent elsewhere: the result lines tell a log how far
things are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

# (done, total or None while nobody knows, message)
ReportProgress = Callable[[float, float | None, str], None]


def say(line: str) -> None:
    """A line of the result."""
    typer.echo(line)


def emit_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


@contextmanager
def progress_bar(description: str) -> Iterator[ReportProgress]:
    """A bar with the time spent and the time left on a terminal; elsewhere a function that does nothing."""
    if not sys.stderr.isatty():
        yield lambda done, total, message: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    # Lines that are said meanwhile go above the bar, unless they are on their way into a file.
    above = sys.stdout.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=above) as bar:
        task = bar.add_task(description, total=None)

        def update(done: float, total: float | None, message: str) -> None:
            text = f"{description}: {message}" if message else description
            bar.update(task, completed=done, total=total or None, description=text)

        yield update


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns wide enough for their longest cell. Plain text, so that grep and cut work on it."""
    widths = [max(len(line[column]) for line in (headings, *rows)) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (headings, *rows)
    )
