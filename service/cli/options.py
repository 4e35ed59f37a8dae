"""Options that several commands share, so that they are named and explained in one way."""

from __future__ import annotations

from typing import Annotated

import typer

from service.image_options import MIRROR, SKIP_BAD

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")
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


Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Name of the GHN; see `weightcast models list`.", autocompletion=model_names
    ),
]

Mirror = Annotated[bool | None, typer.Option("--mirror/--no-mirror", help=MIRROR)]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help=SKIP_BAD)]

DEFAULT_URL = "http://127.0.0.1:8000"
