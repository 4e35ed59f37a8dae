"""weightcast compare: how far networks are from each other."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import options, sources
from service.cli.console import emit_json, progress_bar, say, table
from service.cli.from_contract import Values, checked, offers
from service.cli.output_file import check_target, new_csv
from service.cli.remote import steps
from service.cli.several import client_of, read_networks
from service.contract.many import CompareOptions

if TYPE_CHECKING:
    from service.contract.results import Comparison

# Columns that fit on a terminal; of more networks, each is shown with its nearest one.
_MOST_COLUMNS = 8


@offers(CompareOptions, flags={"model": ("--model", "-m")}, completions={"model": options.ghn_names})
def compare(
    *,
    source: Annotated[
        list[str], typer.Argument(metavar="SOURCE", help="The same sources as for `weightcast predict`.")
    ],
    values: Values,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE.csv", help="Write the distances of all pairs to a file."),
    ] = None,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Show how far up to 300 networks are from each other.

    Of more than 8 networks, each is shown with the one that is nearest to it; -o writes all distances.
    """
    if out is not None:
        check_target(out, "distances", ".csv", sources=source)
    names, choices = sources.expand(source), checked(CompareOptions, values)
    with progress_bar("comparing") as progress, client_of(url, api_key) as client:
        networks = read_networks(names, progress)
        answer = None
        if networks.documents:
            answer = client.compare_architectures(
                networks.documents, model=choices.model, by=choices.by, progress=steps(progress)
            )
            networks.tell_skipped(answer.skipped)
    if answer is not None:
        names = [networks.names[index] for index in answer.indices]
        if out is not None:
            _write(out, names, answer.distances)
        if not json:
            say(_table(names, answer))
            say(_about(answer))
    if json:
        emit_json(
            {
                "model": None if answer is None else answer.model,
                "by": choices.by,
                "sources": [] if answer is None else names,
                "distances": [] if answer is None else answer.distances,
                "file": None if out is None else str(out),
            }
        )
    networks.failures.exit()


def _table(names: Sequence[str], answer: Comparison) -> str:
    rows = []
    if len(names) <= _MOST_COLUMNS:
        for number, (name, distances) in enumerate(zip(names, answer.distances, strict=True), start=1):
            rows.append([str(number), *map(_shown, distances), name])
        return table(["", *map(str, range(1, len(names) + 1)), ""], rows)
    for place, (name, distances) in enumerate(zip(names, answer.distances, strict=True)):
        others = [other for other in range(len(names)) if other != place]
        nearest = min(others, key=distances.__getitem__)
        rows.append([_shown(distances[nearest]), name, names[nearest]])
    return table(["distance", "network", "nearest network"], rows)


def _about(answer: Comparison) -> str:
    if answer.model is None:
        return "Distances are costs of the best assignment between the nodes of two networks."
    return f"Distances are those between embeddings by {answer.model}."


def _shown(distance: float) -> str:
    return f"{distance:.4g}"


def _write(file: Path, names: Sequence[str], distances: Sequence[Sequence[float]]) -> None:
    with new_csv(file) as lines:
        writer = csv.writer(lines)
        writer.writerow(["", *names])
        writer.writerows([name, *row] for name, row in zip(names, distances, strict=True))
