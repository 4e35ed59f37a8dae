"""How a model comes into the catalogue: its folder appears whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.errors import Conflict
from service.kit.whole_file import whole_file, write_whole
from service.models.catalog import CARD, CONFIG, SHIPPED_MODELS, WEIGHTS, list_cards


def write_model_folder(
    folder: Path, save_weights: Callable[[Path], None], config: Mapping[str, Any], card: Mapping[str, Any]
) -> None:
    """Write a model folder. Its files appear whole, the card last.

    save_weights: writes a safetensors file to the path that it gets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / WEIGHTS) as temporary:
        save_weights(temporary)
    for name, document in ((CONFIG, config), (CARD, card)):
        write_whole(folder / name, json.dumps(document, indent=2, sort_keys=True) + "\n")


def publish(model: Path, target: Path, *, replace: bool = False) -> None:
    """Copy a model folder to `target`, in a folder where models are found; its name is the model's name.

    replace: in the place of one that is there, which is never missing for long.

    Raises Conflict if there is one and it is not to be replaced; what was there stays as it was.
    """
    fresh, stale = (target.with_name(f".{target.name}.{os.getpid()}.{part}") for part in ("new", "old"))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(model, fresh)
        if replace and target.exists():
            os.rename(target, stale)
        os.rename(fresh, target)
    except OSError as error:
        if stale.exists() and not target.exists():
            os.rename(stale, target)
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise _taken(target.name) from None
        raise
    finally:
        for leftover in (fresh, stale):
            shutil.rmtree(leftover, ignore_errors=True)


def check_free(name: str, models: Path, *, replace: bool = False) -> None:
    """Raises Conflict if a model has this name, unless it is the user's own and may be replaced.

    models: the folder of the user's models.
    """
    if replace and not (SHIPPED_MODELS / name).is_dir():
        return
    if any(card.name == name for card in list_cards((SHIPPED_MODELS, models))):
        raise _taken(name)


def _taken(name: str) -> Conflict:
    shipped = (SHIPPED_MODELS / name).is_dir()
    hint = "Choose another name." if shipped else "Choose another name, or ask to replace it."
    return Conflict(f"There is a model {name!r} already.", field="/name", hint=hint)
