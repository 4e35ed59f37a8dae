"""weightcast search: good architectures of a whole space."""

from __future__ import annotations

import json as json_text
from typing import Annotated, Any

import typer

from service.cli import options
from service.cli.console import ReportProgress, emit_json, progress_bar, say, table
from service.cli.from_contract import Values, checked, offers
from service.contract.search import SearchOptions


@offers(SearchOptions, leave_out=("population", "sample"))
def search(
    *,
    values: Values,
    predictor: Annotated[
        str | None,
        typer.Option("--predictor", "-p", help="What scores architectures; default as `weightcast rank`."),
    ] = None,
    plot: options.Plot = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Search a space for architectures that a predictor scores high, in this process or by a service.

    Give --evaluations, --seconds, or both: whichever ends first.
    """
    chosen = checked(SearchOptions, {**values, "predictor": predictor})
    with progress_bar("searching") as progress:
        answer = _here(chosen, progress) if url is None else _there(chosen, progress, url, api_key)
    if json:
        emit_json(answer)
    else:
        _show(answer)
    if plot is not None:
        from service.plots import search_chart

        search_chart(answer).save(plot)


def _here(chosen: SearchOptions, progress: ReportProgress) -> dict[str, Any]:
    from service.cli.reading import read_document
    from service.search.answer import answer
    from service.search.run import Found

    def tell(found: Found) -> None:
        best = "" if found.best is None else f"best {found.best.scores['score']:.4f}"
        progress(found.share, 1.0, best)

    return answer(chosen, read=read_document, report=tell)


def _there(
    chosen: SearchOptions, progress: ReportProgress, url: str, api_key: str | None
) -> dict[str, Any]:
    from service.client import Client
    from service.contract.reading import written

    with Client(url, api_key=api_key, timeout=None) as client:
        found = client.search(
            **written(chosen), progress=lambda step: progress(step.done, step.total, step.message)
        )
    return found.model_dump(mode="json", exclude_unset=True)


def _show(answer: dict[str, Any]) -> None:
    ended = {"exhausted": "nothing new was left"}.get(answer["ended"], f"the {answer['ended']} were used")
    scored = f"{answer['evaluations']:,} architectures of {answer['space']}"
    say(f"{scored} scored by {answer['predictor']}; {ended}")
    costs = list(answer["best"][0]["costs"])
    rows = [(str(number), *_cells(entry, costs)) for number, entry in enumerate(answer["best"], start=1)]
    say(table(("rank", "score", *costs, "architecture"), rows))
    if answer.get("front"):
        say(f"What nothing surpasses in both, score and {answer['trade_off']}:")
        say(table(("score", *costs, "architecture"), [_cells(entry, costs) for entry in answer["front"]]))
    if answer.get("note"):
        typer.echo(answer["note"], err=True)


def _cells(entry: dict[str, Any], costs: list[str]) -> tuple[str, ...]:
    architecture = json_text.dumps(entry["architecture"], separators=(",", ":"))
    return f"{entry['score']:.4f}", *(f"{entry['costs'][name]:,.10g}" for name in costs), architecture
