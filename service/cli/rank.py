"""weightcast rank: which architectures are best."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli import options, scored
from service.cli.console import ReportProgress, emit_json, progress_bar, say, table
from service.cli.failures import REFUSED
from service.cli.from_contract import Values
from service.cli.inventory_lines import inventory_lines
from service.cli.ranking_file import check_ending, write_ranking
from service.contract.kinds import image_rankers
from service.contract.options import DATA
from service.contract.scoring import IMAGES, PREDICTED_WEIGHTS, by_images

if TYPE_CHECKING:
    from service.cli.records import Records
    from service.contract.results import Ranking
    from service.predictors.rankers.ranking import Ranker


# What runs every network, with weights of a model, on images.
_BY_IMAGES = (PREDICTED_WEIGHTS, *image_rankers())
_MODELS = " or ".join([f"{PREDICTED_WEIGHTS}:GHN", *(f"{kind}:MODEL" for kind in image_rankers())])


class Order(StrEnum):
    DESCENDING = "descending"
    ASCENDING = "ascending"


class Unconnected(StrEnum):
    SKIP = "skip"
    LAST = "last"


def rank(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            allow_dash=True,
            help="Architectures: one object or short text per line, a JSON array, or CSV with a header.",
        ),
    ],
    predictor: Annotated[
        str | None,
        typer.Option(
            "--predictor",
            "-p",
            autocompletion=options.predictor_names,
            help=f"Name of a predictor; or {_MODELS}, which generates weights for every network and runs it "
            "on images of --data. [default: the shipped predictor for the property]",
        ),
    ] = None,
    property: Annotated[
        str | None,
        typer.Option(
            help="Property to rank by: accuracy, robustness, latency or convergence. With --predictor, the "
            "property that it predicts. [default: that of the predictor, else accuracy]"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="Write the ranking to a file: .jsonl, which other commands read, or .csv.",
        ),
    ] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", min=1, help="Show only the first N.")] = None,
    order: Annotated[
        Order | None,
        typer.Option(help="Which values come first. [default: low for latency and convergence, else high]"),
    ] = None,
    unconnected: Annotated[
        Unconnected,
        typer.Option(help="Cells that have no path to their output: skip them, or rank them last."),
    ] = Unconnected.SKIP,
    data: Annotated[
        str | None,
        typer.Option(
            help=f"For {' and '.join(_BY_IMAGES)}: {DATA}; with --url, its name in the "
            "service's data folder.",
            metavar="DATA",
            autocompletion=options.data_names,
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the data set. [default: WEIGHTCAST_DATA_DIR]")
    ] = None,
    images: Annotated[
        int, typer.Option(min=2, help=f"For {' and '.join(_BY_IMAGES)}: number of validation images.")
    ] = IMAGES,
    skip_bad: options.SkipBad = False,
    plot: options.Plot = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Rank architectures by a predicted property.

    Without --predictor, a shipped one is used, which needs no observations (`ranker` for accuracy). Treat
    its order as a first guess: with a few results of your own, `weightcast predictor fit` makes a better
    predictor. Lines that cannot be ranked are reported and do not stop the others.
    """
    from service.cli.records import ARCHITECTURE_LINES, read_records

    choices = _Choices(predictor, property, top_k, order, unconnected, data, data_dir, images, skip_bad)
    if by_images(predictor) and data is None:
        raise typer.BadParameter(f"{predictor} runs networks on images: give --data", param_hint="--data")
    if out is not None:
        check_ending(out)
    records = read_records(file, ARCHITECTURE_LINES)
    entries = records.values
    with progress_bar("ranking") as progress:
        answer = (
            _here(entries, choices, progress)
            if url is None
            else _there(entries, choices, progress, url, api_key)
        )
    if out is not None:
        write_ranking(out, answer.ranking, entries)
    if json:
        emit_json(answer.model_dump(mode="json", exclude={"timings_ms"}, exclude_unset=True))
    else:
        _show(answer, records)
    if plot is not None and answer.ranking:
        from service.plots import ranking_chart

        chart = ranking_chart(
            answer.model_dump(), name=lambda row: row["name"] or records.label(row["index"])
        )
        chart.save(plot)
    if not answer.ranking:
        raise typer.Exit(REFUSED)


@dataclass(frozen=True, slots=True)
class _Choices:
    predictor: str | None
    property: str | None
    top_k: int | None
    order: Order | None
    unconnected: Unconnected
    data: str | None
    data_dir: Path | None
    images: int
    skip_bad: bool


def _here(entries: list[Any], choices: _Choices, progress: ReportProgress) -> Ranking:
    from service.predictors.rankers.ranking import Candidate
    from service.predictors.rankers.ranking import rank as run

    return run(
        [Candidate(index, entry) for index, entry in enumerate(entries)],
        _ranker(choices, entries),
        top_k=choices.top_k,
        order=None if choices.order is None else choices.order.value,
        unconnected=choices.unconnected.value,
        report=lambda done: progress(done, len(entries), ""),
    )


def _ranker(choices: _Choices, entries: list[Any]) -> Ranker:
    from service.cli.reading import read_document
    from service.graph_io.entries import common_space
    from service.predictors.rankers.ranking import find_ranker

    if not by_images(choices.predictor):
        space = common_space(entries)
        return find_ranker(choices.predictor, choices.property, read=read_document, space=space)
    from service.settings import get_settings
    from training.data.dataset import load_dataset
    from training.data.image_folder.names import data_source
    from training.data.inventory import inventory
    from training.evaluate.search_images import SearchImages

    settings = get_settings()
    dataset = load_dataset(
        data_source(str(choices.data), Path()),
        data_dir=choices.data_dir or settings.data_dir,
        cache_dir=settings.home / "cache",
        skip_bad=choices.skip_bad,
    )
    for line in [] if dataset.report is None else inventory_lines(inventory(dataset)):
        typer.echo(line, err=True)
    images = SearchImages(
        dataset=dataset, images=choices.images, read=partial(read_document, runnable=True)
    )
    try:
        return images.ranker(str(choices.predictor))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--predictor") from None


def _there(
    entries: list[Any], choices: _Choices, progress: ReportProgress, url: str, api_key: str | None
) -> Ranking:
    """The same answer from a service. Lines that are not JSON stay here."""
    from service.cli.remote import unreadable
    from service.client import Client

    places, documents, skipped = unreadable(entries)
    on_images: Values = {}
    if by_images(choices.predictor):
        on_images = {"data": choices.data, "images": choices.images, "skip_bad": choices.skip_bad}
    with Client(url, api_key=api_key, timeout=None) as client:
        ranking = client.rank_architectures(
            documents,
            predictor=choices.predictor,
            property=choices.property,
            top_k=choices.top_k,
            order=None if choices.order is None else choices.order.value,
            unconnected=choices.unconnected.value,
            **on_images,
            progress=lambda step: progress(step.done, step.total, step.message),
        )
    rows = [row.model_copy(update={"index": places[row.index]}) for row in ranking.ranking]
    skipped += [item.model_copy(update={"index": places[item.index]}) for item in ranking.skipped]
    return ranking.model_copy(
        update={"ranking": rows, "skipped": sorted(skipped, key=lambda item: item.index)}
    )


def _show(answer: Ranking, records: Records) -> None:
    rows = answer.ranking
    if rows:
        first = "lowest" if answer.order == "ascending" else "highest"
        say(f"{answer.property} by {answer.predictor}, {first} first")
        lines = [
            (str(place), str(records.items[row.index].number), *scored.cells(row, rows), row.name or "")
            for place, row in zip(scored.ranks(rows), rows, strict=True)
        ]
        say(table(("rank", records.unit, *scored.headings(rows, answer.unit), "name"), lines))
    reasons = [(str(item.reason), records.items[item.index].number) for item in answer.skipped]
    for line in scored.grouped(reasons, records.unit):
        say(line)
    if answer.note:
        typer.echo(answer.note, err=True)
