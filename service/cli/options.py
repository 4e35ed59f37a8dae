"""Options that several commands share, so that they are named and explained in one way."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from service.cli.failures import note_json
from service.contract.options import BUILT_IN_DATA, MIRROR, SKIP_BAD

DEFAULT_URL = "http://127.0.0.1:8000"

Json = Annotated[
    bool,
    typer.Option("--json", callback=note_json, help="Print the result as one JSON document."),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="WEIGHTCAST_URL",
        help="Send the work to a running service, http://host:port, instead of doing it in this process.",
    ),
]
ServiceUrl = Annotated[
    str, typer.Option("--url", envvar="WEIGHTCAST_URL", help="Address of the service, http://host:port.")
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", envvar="WEIGHTCAST_API_KEY", help="API key of the service.", show_envvar=True),
]


def model_names(incomplete: str) -> list[tuple[str, str]]:
    """For shell completion: name and kind of each model of this machine."""
    from service.models.catalog import list_cards

    return [(card.name, card.kind) for card in list_cards() if card.name.startswith(incomplete)]


def ghn_names(incomplete: str) -> list[tuple[str, str]]:
    """For shell completion: the models that predict weights."""
    return [pair for pair in model_names(incomplete) if pair[1] == "ghn"]


def predictor_names(incomplete: str) -> list[tuple[str, str]]:
    """For shell completion: the models that rank architectures."""
    from service.contract.kinds import plays
    from service.contract.options import RANKS
    from service.contract.scoring import STRUCTURE

    built_in = [(STRUCTURE, "multiply-adds")] if STRUCTURE.startswith(incomplete) else []
    return [*built_in, *(pair for pair in model_names(incomplete) if plays(pair[1], RANKS))]


def data_names(incomplete: str) -> list[str]:
    """For shell completion: built-in data sets, and the folders and zip files that the text leads to."""
    folder, _, start = incomplete.rpartition("/")
    inside = Path(f"{folder}/") if "/" in incomplete else Path()
    try:
        entries = sorted(inside.iterdir())
    except OSError:
        entries = []
    prefix = incomplete[: len(incomplete) - len(start)]
    paths = [
        f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}"
        for entry in entries
        if entry.name.startswith(start)
        and not entry.name.startswith(".")
        and (entry.is_dir() or entry.suffix == ".zip")
    ]
    return [*(name for name in BUILT_IN_DATA if name.startswith(incomplete)), *paths]


def job_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """For shell completion: id and kind of the newest jobs of the service; none if it does not answer."""
    from service.client import Client, RetryPolicy, WeightcastError

    url, api_key = context.params.get("url") or DEFAULT_URL, context.params.get("api_key")
    try:
        with Client(url, api_key=api_key, timeout=2, retry=RetryPolicy(attempts=1)) as client:
            jobs = list(islice(client.jobs(page_size=50), 50))
    except WeightcastError:
        return []
    return [(job.id, f"{job.kind}, {job.status}") for job in jobs if job.id.startswith(incomplete)]


def queue_names(incomplete: str) -> list[str]:
    from service.store.broker import QUEUES

    return [queue for queue in QUEUES if queue.startswith(incomplete)]


Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Name of the GHN; see `weightcast models list`.", autocompletion=ghn_names
    ),
]

DataDir = Annotated[Path | None, typer.Option(help="Folder of the data set. [default: WEIGHTCAST_DATA_DIR]")]
Mirror = Annotated[bool | None, typer.Option("--mirror/--no-mirror", help=MIRROR)]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help=SKIP_BAD)]


def _chart_file(path: Path | None) -> Path | None:
    """Refused before any work. Raises BadParameter for another ending, NotInstalled without matplotlib."""
    from service.chart_files import format_of
    from service.errors import InvalidRequest
    from service.extras import check_installed

    if path is None:
        return None
    try:
        format_of(path)
    except InvalidRequest as error:
        raise typer.BadParameter(f"{error.detail} {error.extra['hint']}") from None
    check_installed("matplotlib")
    return path


Plot = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        callback=_chart_file,
        help="Also draw a chart of the result, as .png or .svg.",
    ),
]
Replace = Annotated[bool, typer.Option("--replace", help="Replace your own model of this name.")]

NumClasses = Annotated[
    int | None,
    typer.Option(
        "--num-classes",
        min=1,
        help="Outputs of the last layer, for a network by name or cell, such as torchvision:resnet18. "
        "[default: the format's]",
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option(
        "--input-shape",
        metavar="C,H,W",
        help="For your own code: the shape of one input, without the batch axis. [default: guessed]",
    ),
]
