"""weightcast models: what there is to predict with."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from service.cli import options
from service.cli.console import emit_json, say, table
from service.cli.failures import Commands
from service.cli.hub import PREFIX, hub_file
from service.cli.model_lines import card_lines, row
from service.kit.json_types import JsonObject

app = typer.Typer(cls=Commands, help="List, show, import and remove models.", no_args_is_help=True)

_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the model.", autocompletion=options.model_names)
]


@app.command("list")
def list_models(url: options.Url = None, api_key: options.ApiKey = None, json: options.Json = False) -> None:
    """List the models of this machine, or with --url those of a service."""
    cards = _local_cards() if url is None else _remote_cards(url, api_key)
    if json:
        emit_json(cards)
        return
    defaults = _defaults() if url is None else frozenset[str]()
    say(table(("name", "does", "data set", "classes", "size", ""), [row(card, defaults) for card in cards]))


@app.command()
def show(
    name: _Name,
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Show the card of a model: what it was trained on, how, and what was measured."""
    card = _local_card(name) if url is None else _remote_card(name, url, api_key)
    if json:
        emit_json(card)
        return
    for line in card_lines(card, _defaults() if url is None else frozenset()):
        say(line)


@app.command("import")
def import_model(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE", help="A published checkpoint: a file, or hf:OWNER/REPO/FILE on the hub."
        ),
    ],
    name: Annotated[str, typer.Option(help="Name for the model.")],
    replace: options.Replace = False,
    dataset: Annotated[str | None, typer.Option(help="What the model was trained on, for its card.")] = None,
    json: options.Json = False,
) -> None:
    """Import a checkpoint of the published code of GHN-2 or GHN-3.

    No code from the file is run. To fetch from the Hugging Face hub, install the extra `hub`.
    """
    from service.settings import get_settings

    models = get_settings().home / "models"
    checked_name(name, replace=replace)
    path = hub_file(reference) if reference.startswith(PREFIX) else _existing(reference)
    from service.ghn.checkpoint import import_reference, save_checkpoint
    from service.models.publish import publish

    ghn = import_reference(path)
    record = {"imported_from": reference if reference.startswith(PREFIX) else path.name}
    card = {
        "name": name,
        "kind": "ghn",
        "dataset": dataset,
        "num_classes": ghn.config.num_classes,
        "training": record,
    }
    with TemporaryDirectory() as folder:
        save_checkpoint(Path(folder), ghn, card)
        publish(Path(folder), models / name, replace=replace)
    if json:
        emit_json(_local_card(name))
    else:
        say(f"{name}: imported; predict with `weightcast predict SOURCE --model {name}`")


@app.command()
def describe(
    name: _Name,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Description: what the model is for.")],
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Set the description on the card of your own model."""
    if url is None:
        from service.models.changes import describe_model
        from service.settings import get_settings

        card = describe_model(get_settings().home / "models", name, text).model_dump(mode="json")
    else:
        from service.client import Client

        with Client(url, api_key=api_key) as client:
            card = client.describe_model(name, text).model_dump(mode="json")
    if json:
        emit_json(card)
    else:
        say(f"{name}: described")


@app.command()
def remove(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", help="Models to remove.", autocompletion=options.model_names),
    ],
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Remove your own models for good. Models that come with the package cannot be removed."""
    for name in names:
        if url is None:
            from service.models.changes import remove_model
            from service.settings import get_settings

            remove_model(get_settings().home / "models", name)
        else:
            from service.client import Client

            with Client(url, api_key=api_key) as client:
                client.remove_model(name)
        if not json:
            say(f"{name}: removed")
    if json:
        emit_json({"removed": names})


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise typer.BadParameter(f"there is no file {name!r}", param_hint="REFERENCE")
    return path


def checked_name(name: str, *, replace: bool) -> None:
    """Raises BadParameter for a name that the service does not accept, and for one that is in use."""
    from service.errors import Conflict
    from service.models.publish import check_free
    from service.settings import get_settings

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise typer.BadParameter(
            "a name is up to 64 letters, digits, dots, dashes and underscores", param_hint="--name"
        )
    try:
        check_free(name, get_settings().home / "models", replace=replace)
    except Conflict as error:
        message = f"{error.detail[0].lower()}{error.detail[1:]} {error.extra['hint']}"
        raise typer.BadParameter(message, param_hint="--name") from None


def _defaults() -> frozenset[str]:
    """What answers on this machine where no model is named."""
    from service.models.catalog import DEFAULT_PREDICTORS
    from service.settings import get_settings

    return frozenset({get_settings().default_model, *DEFAULT_PREDICTORS.values()})


def _local_cards() -> list[JsonObject]:
    from service.models.catalog import list_cards

    return [card.model_dump(mode="json") for card in list_cards()]


def _local_card(name: str) -> JsonObject:
    from service.models.catalog import find_card

    return find_card(name).model_dump(mode="json")


def _remote_cards(url: str, api_key: str | None) -> list[JsonObject]:
    from service.client import Client

    with Client(url, api_key=api_key) as client:
        return [model.model_dump(mode="json") for model in client.models()]


def _remote_card(name: str, url: str, api_key: str | None) -> JsonObject:
    from service.client import Client

    with Client(url, api_key=api_key) as client:
        return client.model(name).model_dump(mode="json")
