"""Options that several commands share, so that they are named and explained in one way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.failures import note_json
from service.contract.options import MIRROR, SKIP_BAD

Json = Annotated[
    bool,
    typer.Option(
        "--json", callback=note_json, help="Print one JSON document on standard output, nothing else."
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="WEIGHTCAST_URL",
        help="A running service, http://host:port. Without it: in this process.",
    ),
]
ServiceUrl = Annotated[
    str, typer.Option("--url", envvar="WEIGHTCAST_URL", help="The service, http://host:port.")
]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", envvar="WEIGHTCAST_API_KEY", help="Key for the service.", show_envvar=True),
]


def model_names(incomplete: str) -> list[tuple[str, str]]:
    """Models that are here, for the completion of shells: name and kind."""
    from service.models.catalog import list_cards

    return [(card.name, card.kind) for card in list_cards() if card.name.startswith(incomplete)]


def ghn_names(incomplete: str) -> list[tuple[str, str]]:
    """Those that predict weights."""
    return [pair for pair in model_names(incomplete) if pair[1] == "ghn"]


def predictor_names(incomplete: str) -> list[tuple[str, str]]:
    """Those that rank architectures."""
    kinds = ("predictor", "hypernas")
    built_in = [("structure", "multiply-adds")] if "structure".startswith(incomplete) else []
    return [*built_in, *(pair for pair in model_names(incomplete) if pair[1] in kinds)]


def queue_names(incomplete: str) -> list[str]:
    from service.store.broker import QUEUES

    return [queue for queue in QUEUES if queue.startswith(incomplete)]


Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Name of the GHN; see `weightcast models list`.", autocompletion=ghn_names
    ),
]

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
        help="Also draw a chart of the result: .png or .svg.",
    ),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Take the place of a model of yours that has this name.")
]

InputShape = Annotated[
    str | None,
    typer.Option(
        "--input-shape",
        metavar="C,H,W",
        help="Shape of one input of a network of your code, without the batch axis. [default: guessed]",
    ),
]

DEFAULT_URL = "http://127.0.0.1:8000"
