"""weightcast rank: which architectures are best."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import options
from service.cli.console import emit_json, progress_bar, say, table
from service.cli.failures import REFUSED


class Order(StrEnum):
    DESCENDING = "descending"
    ASCENDING = "ascending"


def rank(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.jsonl", exists=True, dir_okay=False, allow_dash=True, help="An architecture a line."
        ),
    ],
    predictor: Annotated[
        str | None,
        typer.Option("--predictor", "-p", help="Name of a fitted predictor. [default: structure]"),
    ] = None,
    property: Annotated[
        str | None, typer.Option(help="What to rank by. [default: what the predictor predicts]")
    ] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="Show the first so many only.")] = None,
    order: Annotated[Order, typer.Option(help="Highest or lowest first.")] = Order.DESCENDING,
    json: options.Json = False,
) -> None:
    """Rank architectures by a predicted property, in this process.

    Without --predictor: `structure`, a training-free order by multiply-adds. It is a start and no more; fit a
    predictor on a few results of your own with `weightcast predictor fit`. Lines that cannot be ranked are
    reported and do not stop the others.
    """
    from service.cli.json_lines import all_lines
    from service.cli.reading import read_document
    from service.predictors.ranking import Candidate, find_ranker
    from service.predictors.ranking import rank as run

    ranker = find_ranker(predictor, property, read=read_document)
    lines = all_lines(file)
    candidates = [Candidate(index, document) for index, (_, document) in enumerate(lines)]
    with progress_bar("ranking") as progress:
        answer = run(
            candidates,
            ranker,
            top_k=top_k,
            order="descending" if order is Order.DESCENDING else "ascending",
            report=lambda done: progress(done, len(lines), ""),
        )
    if json:
        emit_json(answer)
    else:
        _show(answer, lines)
    if not answer["ranking"]:
        raise typer.Exit(REFUSED)


def _show(answer: dict[str, Any], lines: list[tuple[int, Any]]) -> None:
    rows = [
        (str(row["rank"]), str(lines[row["index"]][0]), f"{row['score']:.4f}", row["name"] or "")
        for row in answer["ranking"]
    ]
    if rows:
        say(table(("rank", "line", "score", "name"), rows))
    for skipped in answer["skipped"]:
        say(f"line {lines[skipped['index']][0]} skipped: {skipped['reason']}")
    if "note" in answer:
        typer.echo(answer["note"], err=True)
