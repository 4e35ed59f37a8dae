"""Changes to the user's models: describe, remove. Those of the package stay as they are."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from service.errors import Conflict, InvalidRequest
from service.kit.whole_file import write_whole
from service.models.catalog import CARD, MAX_CARD_BYTES, SHIPPED_MODELS, ModelCard, find_card

LONGEST_DESCRIPTION = 2000


def describe_model(models: Path, name: str, description: str) -> ModelCard:
    """Put a text of up to LONGEST_DESCRIPTION characters on the card; the card as it is then.

    Raises UnknownModel, Conflict for a model of the package, InvalidRequest for a text that is too long.
    """
    if len(description) > LONGEST_DESCRIPTION:
        raise InvalidRequest(
            f"A description has at most {LONGEST_DESCRIPTION} characters.", field="/description"
        )
    path = _own_folder(models, name) / CARD
    with open(path, "rb") as file:
        document = json.loads(file.read(MAX_CARD_BYTES))
    changed = {**document, "description": description.strip()}
    write_whole(path, json.dumps(changed, indent=2, sort_keys=True) + "\n")
    return find_card(name, (SHIPPED_MODELS, models))


def remove_model(models: Path, name: str) -> None:
    """Delete a model of the user. What is being computed with it ends as it would have.

    Raises UnknownModel, or Conflict for a model of the package.
    """
    folder = _own_folder(models, name)
    stale = models / f".{name}.{os.getpid()}.old"
    shutil.rmtree(stale, ignore_errors=True)
    os.rename(folder, stale)
    shutil.rmtree(stale, ignore_errors=True)


def _own_folder(models: Path, name: str) -> Path:
    card = find_card(name, (SHIPPED_MODELS, models))
    if card.shipped:
        raise Conflict(
            f"The model {name!r} is part of the package.", hint="Only your own models can be changed."
        )
    return card.path
