"""weightcast search: good architectures of a whole space."""

from __future__ import annotations

import json as json_text
from enum import StrEnum
from typing import Annotated, Any

import typer

from service.cli import options
from service.cli.console import ReportProgress, emit_json, progress_bar, say, table
from service.cli.rank import Order


class Space(StrEnum):
    NASBENCH201 = "nasbench201"
    NASBENCH101 = "nasbench101"
    NATS_SIZE = "nats_size"
    NASBENCH_MACRO = "nasbench_macro"
    DARTS = "darts"


class Algorithm(StrEnum):
    EVOLUTION = "evolution"
    RANDOM = "random"


def search(
    space: Annotated[Space, typer.Option(help="Where to search. darts: the DeepNets-1M training networks.")],
    predictor: Annotated[
        str | None,
        typer.Option("--predictor", "-p", help="What scores architectures; default as `weightcast rank`."),
    ] = None,
    evaluations: Annotated[int | None, typer.Option(min=1, help="Score so many architectures.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.01, help="Search so long.")] = None,
    algorithm: Annotated[Algorithm, typer.Option(help="Regularised evolution, or random draws.")] = (
        Algorithm.EVOLUTION
    ),
    order: Annotated[Order, typer.Option(help="Whether high or low scores are wanted.")] = Order.DESCENDING,
    trade_off: Annotated[
        str | None,
        typer.Option(help="Second objective, less is better: parameters, multiply_adds, or a predictor."),
    ] = None,
    max_parameters: Annotated[int | None, typer.Option(min=1, help="Most trainable parameters.")] = None,
    max_multiply_adds: Annotated[int | None, typer.Option(min=1, help="Most multiply-adds an input.")] = None,
    max_latency: Annotated[
        float | None, typer.Option(help="Most latency, in units of the latency predictor.")
    ] = None,
    latency_predictor: Annotated[
        str | None, typer.Option(help="A predictor that was fitted on latencies.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed and evaluations: same architectures.")] = 0,
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="Show so many.")] = 10,
    plot: options.Plot = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Search a space for architectures that a predictor scores high, in this process or by a service.

    Give --evaluations, --seconds, or both: whichever ends first.
    """
    if evaluations is None and seconds is None:
        raise typer.BadParameter("give --evaluations or --seconds", param_hint="--evaluations")
    given = {
        "space": space.value,
        "predictor": predictor,
        "evaluations": evaluations,
        "seconds": seconds,
        "algorithm": algorithm.value,
        "order": order.value,
        "trade_off": trade_off,
        "max_parameters": max_parameters,
        "max_multiply_adds": max_multiply_adds,
        "max_latency": max_latency,
        "latency_predictor": latency_predictor,
        "seed": seed,
        "top_k": top_k,
    }
    config = {name: value for name, value in given.items() if value is not None}
    with progress_bar("searching") as progress:
        answer = _here(config, progress) if url is None else _there(config, progress, url, api_key)
    if json:
        emit_json(answer)
    else:
        _show(answer)
    if plot is not None:
        from service.plots import search_chart

        search_chart(answer).save(plot)


def _here(config: dict[str, Any], progress: ReportProgress) -> dict[str, Any]:
    from service.cli.reading import read_document
    from service.search.answer import answer
    from service.search.run import Found

    def tell(found: Found) -> None:
        best = "" if found.best is None else f"best {found.best.scores['score']:.4f}"
        progress(found.share, 1.0, best)

    return answer(config, read=read_document, report=tell)


def _there(config: dict[str, Any], progress: ReportProgress, url: str, api_key: str | None) -> dict[str, Any]:
    from service.client import Client

    with Client(url, api_key=api_key, timeout=None) as client:
        found = client.search(**config, progress=lambda step: progress(step.done, step.total, step.message))
    return found.model_dump(mode="json")


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
