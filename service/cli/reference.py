"""Every command and option as a page: `python -m service.cli.reference docs/cli.md` renews its last section.

The text is what `--help` says, so the two cannot differ; a test refuses a page that is not up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from service.cli.app import app

HEADING = "## Reference"
# Two brackets side by side are a link in Markdown.
_BRACKET = "\\["
_MADE_BY = "<!-- Made by `python -m service.cli.reference docs/cli.md`. -->"


def reference() -> str:
    """All commands, groups flattened, in the order of `weightcast --help`."""
    root: Any = typer.main.get_command(app)
    context = typer.Context(root, info_name="weightcast")
    return "\n".join(
        [HEADING, "", _MADE_BY, *(line for part in _walk(root, context) for line in _section(*part))]
    )


def renewed(page: str) -> str:
    """The page with the reference of today at its end."""
    return page.partition(f"\n{HEADING}\n")[0] + f"\n{reference()}\n"


def _walk(command: Any, context: Any) -> Iterator[tuple[Any, Any]]:
    """Each command that does something, with its context; the root itself for its own options."""
    if context.parent is None or not hasattr(command, "commands"):
        yield command, context
    for name, inner in getattr(command, "commands", {}).items():
        yield from _walk(inner, typer.Context(inner, info_name=name, parent=context))


def _section(command: Any, context: Any) -> Iterator[str]:
    yield ""
    yield f"### {context.command_path}"
    yield ""
    pieces = [re.sub(r"\{(.*?)\}", r"\1", piece) for piece in command.collect_usage_pieces(context)]
    yield f"`{' '.join([context.command_path, *pieces])}`"
    yield ""
    yield " ".join((command.help or "").split())
    records = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    if records:
        yield ""
        yield "| argument or option | meaning |"
        yield "| --- | --- |"
        for names, text in records:
            named = re.sub(r" <(list\[)?str\]?>", "", names).replace(" range>", ">")
            yield f"| `{_cell(named)}` | {_cell(text).replace('[', _BRACKET)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(renewed(target.read_text()))
