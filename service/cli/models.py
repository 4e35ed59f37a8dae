"""weightcast models: what there is to predict with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import options
from service.cli.console import emit_json, say, table
from service.cli.hub import PREFIX, hub_file

app = typer.Typer(help="The models that can be used.", no_args_is_help=True)


@app.command("list")
def list_models(url: options.Url = None, api_key: options.ApiKey = None, json: options.Json = False) -> None:
    """List the models: shipped, trained or imported here; with --url, those of a service."""
    cards = _local_cards() if url is None else _remote_cards(url, api_key)
    if json:
        emit_json(cards)
        return
    rows = [
        (
            card["name"],
            card["kind"],
            str(card["dataset"] or ""),
            str(card["num_classes"] or ""),
            str(card["digest"] or "")[:12],
        )
        for card in cards
    ]
    say(table(("name", "kind", "data set", "classes", "digest"), rows))


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of the model.", autocompletion=options.model_names),
    ],
    url: options.Url = None,
    api_key: options.ApiKey = None,
    json: options.Json = False,
) -> None:
    """Show a model's record: what it was trained on, how, and what was measured."""
    card = _local_card(name) if url is None else _remote_card(name, url, api_key)
    if json:
        emit_json(card)
        return
    for key, value in card.items():
        if isinstance(value, dict):
            say(f"{key}:")
            for inner, entry in value.items():
                say(f"  {inner}: {entry}")
        elif value not in (None, ""):
            say(f"{key}: {value}")


@app.command("import")
def import_model(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE", help="A published checkpoint: a file, or hf:OWNER/REPO/FILE on the hub."
        ),
    ],
    name: Annotated[str, typer.Option(help="Name to use it under.")],
    dataset: Annotated[str | None, typer.Option(help="What it was trained on, for its card.")] = None,
    json: options.Json = False,
) -> None:
    """Import a checkpoint of the published code of GHN-2 or GHN-3.

    No code of the file runs. Fetching from the Hugging Face hub needs huggingface_hub: weightcast[hub].
    """
    from service.settings import get_settings

    folder = get_settings().home / "models" / new_name(name)
    path = hub_file(reference) if reference.startswith(PREFIX) else _existing(reference)
    from service.ghn.checkpoint import import_reference, save_checkpoint

    ghn = import_reference(path)
    record = {"imported_from": reference if reference.startswith(PREFIX) else path.name}
    save_checkpoint(
        folder,
        ghn,
        {
            "name": name,
            "kind": "ghn",
            "dataset": dataset,
            "num_classes": ghn.config.num_classes,
            "training": record,
        },
    )
    card = _local_card(name)
    if json:
        emit_json(card)
    else:
        say(f"{name}: imported; predict with `weightcast predict SOURCE --model {name}`")


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise typer.BadParameter(f"there is no file {name!r}", param_hint="REFERENCE")
    return path


def new_name(name: str) -> str:
    """A name that the service accepts and nothing has yet. Raises BadParameter."""
    from service.models.catalog import list_cards

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise typer.BadParameter(
            "a name is up to 64 letters, digits, dots, dashes and underscores", param_hint="--name"
        )
    if any(card.name == name for card in list_cards()):
        raise typer.BadParameter(f"there is a model {name!r} already", param_hint="--name")
    return name


def _local_cards() -> list[dict[str, Any]]:
    from service.models.catalog import list_cards

    return [card.model_dump(mode="json") for card in list_cards()]


def _local_card(name: str) -> dict[str, Any]:
    from service.models.catalog import find_card

    return find_card(name).model_dump(mode="json")


def _remote_cards(url: str, api_key: str | None) -> list[dict[str, Any]]:
    from service.client import Client

    with Client(url, api_key=api_key) as client:
        return [model.model_dump(mode="json") for model in client.models()]


def _remote_card(name: str, url: str, api_key: str | None) -> dict[str, Any]:
    from service.client import Client

    with Client(url, api_key=api_key) as client:
        return client.model(name).model_dump(mode="json")
