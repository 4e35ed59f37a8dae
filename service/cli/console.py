"""Standard output and standard error of the commands.

`--json` gives exactly one JSON document on standard output. Otherwise results are plain lines there. Progress
is a bar on standard error where that is a terminal, and absent elsewhere: the result lines tell a log how far
things are.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, TextIO

import typer

# (done, total or None while nobody knows, message)
ReportProgress = Callable[[float, float | None, str], None]


def escape_what_cannot_be_shown() -> None:
    """A stream may know ASCII alone, and the name of a file may be bytes of no text: neither may end a
    command.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """A line of the result."""
    # Not typer.echo, which writes past the bar's redirection and so into the bar.
    print(line, flush=True)


def emit_json(document: Any) -> None:
    typer.echo(json_for(sys.stdout, document, indent=2 if sys.stdout.isatty() else None))


def json_for(
    stream: TextIO, document: Any, *, indent: int | None = None, default: Callable[[Any], Any] | None = None
) -> str:
    """JSON whose letters the stream can show; JSON has escapes of its own for the others. default: for what
    is no JSON.
    """
    ascii_alone = (stream.encoding or "").lower().replace("-", "") != "utf8"
    return json.dumps(document, ensure_ascii=ascii_alone, indent=indent, default=default)


@contextmanager
def progress_bar(description: str) -> Iterator[ReportProgress]:
    """A bar with the time spent and the time left on a terminal; elsewhere a function that does nothing."""
    if not sys.stderr.isatty():
        yield lambda done, total, message: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[times]}"),
    )
    # Lines that are said meanwhile go above the bar, unless they are on their way into a file.
    above = sys.stdout.isatty()
    started = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=above) as bar:
        task = bar.add_task(description, total=None, times="")

        def update(done: float, total: float | None, message: str) -> None:
            text = f"{description}: {message}" if message else description
            share = done / total if total else 0.0
            times = times_text(time.monotonic() - started, share)
            bar.update(task, completed=done, total=total or None, description=text, times=times)

        yield update


def times_text(elapsed_seconds: float, share: float) -> str:
    """Such as: 32 s elapsed, about 10 s left. share: of the work that is done, 0 to 1. Nothing is said of the
    rest before 2% are done.
    """
    elapsed = f"{duration(elapsed_seconds)} elapsed"
    if not 0.02 <= share < 1:
        return elapsed
    return f"{elapsed}, about {duration(elapsed_seconds * (1 - share) / share)} left"


def duration(seconds: float) -> str:
    """52 s, 3 min 05 s, 2 h 10 min."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns wide enough for their longest cell. Plain text, so that grep and cut work on it."""
    widths = [max(len(line[column]) for line in (headings, *rows)) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (headings, *rows)
    )


def fitted(lines: str) -> str:
    """The lines, each cut to the width of the terminal (it then ends in "…"). They stay as they are if
    standard output is not a terminal, so that a program reads them whole.
    """
    if not sys.stdout.isatty():
        return lines
    width = shutil.get_terminal_size().columns
    return "\n".join(line if len(line) <= width else line[: width - 1] + "…" for line in lines.splitlines())
