"""weightcast search: good architectures of a whole space."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import options, scored
from service.cli.console import ReportProgress, emit_json, fitted, progress_bar, say, table
from service.cli.from_contract import Values, checked, offers
from service.cli.images import search_images
from service.cli.output_file import check_target, new_file, write_json_lines
from service.cli.remote import steps
from service.contract.options import DATA
from service.contract.search import SearchOptions
from service.graph_io.short_texts import as_source
from service.kit.whole_file import write_whole

if TYPE_CHECKING:
    from service.contract.training_results import FoundArchitecture, Mean, SearchResult


@offers(SearchOptions, leave_out=("population", "sample"))
def search(
    *,
    values: Values,
    data: Annotated[
        str | None,
        typer.Option(
            help=f"Images to score or train on: {DATA}; with --url, its name in the service's data folder.",
            metavar="DATA",
            autocompletion=options.data_names,
        ),
    ] = None,
    data_dir: options.DataDir = None,
    skip_bad: options.SkipBad = False,
    predictor: Annotated[
        str | None,
        typer.Option(
            "--predictor",
            "-p",
            autocompletion=options.predictor_names,
            help="Predictor that scores architectures, as for `weightcast rank`; with --data, one "
            "that generates weights.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE.jsonl",
            help="Write the best architectures to a file, one JSON document per line, as `rank` reads them.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.safetensors",
            help="Write weights of the best architecture to a file, and its network beside "
            "it as JSON; for a HyperNAS predictor that generates weights.",
        ),
    ] = None,
    plot: options.Plot = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Search a space for the architectures that a predictor scores best.

    Give --evaluations, --seconds, or both; the search stops at whichever comes first.
    """
    # A path is no name: here it is looked up as it is.
    named = data if data is None or url is not None else "here"
    if out is not None:
        check_target(out, "architectures", ".jsonl")
    chosen = checked(SearchOptions, {**values, "predictor": predictor, "data": named, "skip_bad": skip_bad})
    if weights is not None:
        check_target(weights, "weights", ".safetensors", option="--weights")
        _check_generates(chosen.predictor, url)
    with progress_bar("searching") as progress:
        answer = (
            _here(chosen, data, data_dir, progress) if url is None else _there(chosen, progress, url, api_key)
        )
    if out is not None:
        write_json_lines(out, (entry.as_json() for entry in answer.best))
    if weights is not None:
        _write_weights(weights, answer, quiet=json)
    if json:
        emit_json(answer.as_json())
    else:
        _show(answer)
    if plot is not None:
        from service.plots import search_chart

        search_chart(answer.model_dump()).save(plot)


def _here(
    chosen: SearchOptions, data: str | None, data_dir: Path | None, progress: ReportProgress
) -> SearchResult:
    from service.cli.reading import read_document
    from service.search.answer import answer
    from service.search.run import Outcome

    def tell(outcome: Outcome) -> None:
        best = "" if outcome.best is None else f"best {outcome.best.scores['score']:.4f}"
        progress(outcome.share, 1.0, best)

    images = None
    if data is not None:
        images = search_images(
            data, data_dir, skip_bad=chosen.skip_bad, images=chosen.images, epochs=chosen.train_epochs
        )
    return answer(chosen, read=read_document, report=tell, images=images)


def _there(chosen: SearchOptions, progress: ReportProgress, url: str, api_key: str | None) -> SearchResult:
    from service.client import Client
    from service.contract.reading import written

    with Client(url, api_key=api_key, timeout=None) as client:
        return client.search(**written(chosen), progress=steps(progress))


def _check_generates(predictor: str | None, url: str | None) -> None:
    from service.models.catalog import find_card
    from service.predictors.hypernas.generated_weights import check_generates

    if url is not None:
        raise typer.BadParameter("the model must be here: leave out --url", param_hint="--weights")
    if predictor is None:
        raise typer.BadParameter("name a HyperNAS model with --predictor", param_hint="--weights")
    check_generates(find_card(predictor))


def _write_weights(file: Path, answer: SearchResult, *, quiet: bool) -> None:
    from service.models.catalog import find_card
    from service.predictors.hypernas.generated_weights import generate_weights
    from service.weights.formats import write_weights

    network, weights = generate_weights(find_card(answer.predictor), answer.best[0].architecture)
    with new_file(file) as path:
        write_weights(path, weights, output="safetensors", dtype="float32")
    document = file.with_suffix(".json")
    write_whole(document, json_text.dumps(network, indent=1) + "\n")
    if not quiet:
        say(f"the best has {weights.num_parameters:,} parameters -> {file}, as a network -> {document}")


def _show(answer: SearchResult) -> None:
    ended = {
        "exhausted": "stopped: no new architectures were left",
        "evaluations": "stopped: evaluation budget used up",
        "seconds": "stopped: time budget used up",
    }[answer.ended]
    count = f"{answer.evaluations:,} architectures of {answer.space}"
    say(f"{count} scored by {answer.predictor} ({answer.property or 'accuracy'}); {ended}")
    best = answer.best
    costs, heads = list(best[0].costs), scored.headings(best, answer.unit)
    rows = [
        (str(place), *_cells(entry, best, costs))
        for place, entry in zip(scored.ranks(best), best, strict=True)
    ]
    ranking = table(("rank", *heads, *costs, "architecture"), rows)
    say(fitted(ranking))
    if answer.front:
        say(f"Pareto front ({answer.property or 'score'} against {answer.trade_off}):")
        rows = [_cells(entry, best, costs) for entry in answer.front]
        say(fitted(table((*heads, *costs, "architecture"), rows)))
    if fitted(ranking) != ranking:
        typer.echo("Long architectures are cut here; -o FILE writes them whole.", err=True)
    if (trained := answer.trained) is not None:
        say(f"Accuracy on test images after {trained.epochs} epochs of training, mean and 90% interval:")
        groups = (
            ("the best", trained.best), ("random ones", trained.random), ("difference", trained.difference),
        )  # fmt: skip
        say(table(("", "mean", "interval"), [(label, *_mean(group)) for label, group in groups]))
    if answer.note:
        typer.echo(answer.note, err=True)


def _mean(group: Mean) -> tuple[str, str]:
    low, high = group.interval
    return f"{group.mean:.1f}", f"{low:.1f} to {high:.1f}"


def _cells(entry: FoundArchitecture, entries: list[FoundArchitecture], costs: list[str]) -> tuple[str, ...]:
    counts = (f"{entry.costs[name]:,.10g}" for name in costs)
    return *scored.cells(entry, entries), *counts, as_source(entry.architecture)
