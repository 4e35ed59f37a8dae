"""weightcast rank: which architectures are best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli import options, scored
from service.cli.console import ReportProgress, emit_json, progress_bar, say, table
from service.cli.failures import REFUSED
from service.cli.from_contract import Values, checked, offers
from service.cli.images import search_images
from service.cli.output_file import check_target
from service.cli.ranking_file import ENDINGS, write_ranking
from service.cli.remote import steps
from service.contract.kinds import image_rankers
from service.contract.many import RankOptions
from service.contract.options import DATA
from service.contract.scoring import PREDICTED_WEIGHTS, by_images, with_images

if TYPE_CHECKING:
    from service.cli.records import Records
    from service.contract.results import Ranking
    from service.predictors.rankers.ranking import Ranker


# What runs every network, with weights of a model, on images.
_BY_IMAGES = (PREDICTED_WEIGHTS, *image_rankers())


@offers(RankOptions)
def rank(
    *,
    file: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|SOURCE",
            help="Architectures: one object or short text per line, a JSON array, or CSV with a header. "
            "Or the sources of networks, as for `weightcast predict`.",
        ),
    ],
    predictor: Annotated[
        str | None,
        typer.Option(
            "--predictor",
            "-p",
            autocompletion=options.predictor_names,
            help=f"Name of a predictor; or {' or '.join(with_images())}, which generates weights for every "
            "network and runs it on images of --data. [default: the shipped predictor for the property]",
        ),
    ] = None,
    values: Values,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="Write the ranking to a file: .jsonl, which other commands read, or .csv.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help=f"For {' and '.join(_BY_IMAGES)}: {DATA}; with --url, its name in the "
            "service's data folder.",
            metavar="DATA",
            autocompletion=options.data_names,
        ),
    ] = None,
    data_dir: options.DataDir = None,
    skip_bad: options.SkipBad = False,
    plot: options.Plot = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Rank architectures by a predicted property.

    Without --predictor, a shipped one is used, which needs no observations (`ranker` for accuracy). Treat
    its order as a first guess: with a few results of your own, `weightcast predictor fit` makes a better
    predictor. Lines that cannot be ranked are reported and do not stop the others. A list of more than 10 MB
    is read on all cores.
    """
    from service.cli.candidates import read_candidates

    if by_images(predictor) and data is None:
        raise typer.BadParameter(f"{predictor} runs networks on images: give --data", param_hint="--data")
    # A path is no name: here it is looked up as it is.
    named = data if data is None or url is not None else "here"
    choices = checked(RankOptions, {**values, "predictor": predictor, "data": named, "skip_bad": skip_bad})
    if out is not None:
        check_target(out, "rankings", *ENDINGS, sources=file)
    records = read_candidates(file)
    entries = records.values
    with progress_bar("ranking") as progress:
        answer = (
            _here(records, choices, data, data_dir, progress)
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


def _here(
    records: Records, choices: RankOptions, data: str | None, data_dir: Path | None, progress: ReportProgress
) -> Ranking:
    from service.cli.rank_processes import looks_of_processes, processes_for
    from service.predictors.rankers.ranking import Candidate, in_order, look

    make_ranker = _ranker_of(records, choices, data, data_dir)
    ranker = make_ranker()
    processes = 1 if by_images(choices.predictor) else processes_for(records.items)
    looks = (
        (look(Candidate(*each), ranker, choices.unconnected) for each in enumerate(records.values))
        if processes == 1
        else looks_of_processes(records.items, make_ranker, choices.unconnected, processes)
    )
    return in_order(
        looks,
        ranker,
        top_k=choices.top_k,
        order=choices.order,
        report=lambda done: progress(done, len(records.items), ""),
    )


def _ranker_of(
    records: Records, choices: RankOptions, data: str | None, data_dir: Path | None
) -> Callable[[], Ranker]:
    from service.cli.reading import read_document
    from service.graph_io.entries import common_space
    from service.predictors.rankers.ranking import find_ranker

    if not by_images(choices.predictor):
        space = common_space(records.values) if choices.predictor is None else None
        return partial(find_ranker, choices.predictor, choices.property, read=read_document, space=space)
    images = search_images(str(data), data_dir, skip_bad=choices.skip_bad, images=choices.images)
    return partial(images.ranker, str(choices.predictor))


def _there(
    entries: Sequence[Any], choices: RankOptions, progress: ReportProgress, url: str, api_key: str | None
) -> Ranking:
    """The same answer from a service. Lines that are not JSON stay here."""
    from service.cli.remote import unreadable
    from service.client import Client
    from service.contract.reading import written

    places, documents, skipped = unreadable(entries)
    images = () if by_images(choices.predictor) else ("skip_bad",)
    with Client(url, api_key=api_key, timeout=None) as client:
        ranking = client.rank_architectures(
            documents,
            **written(choices, leave_out=images),
            progress=steps(progress),
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
