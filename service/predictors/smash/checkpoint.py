"""SMASH model folders: `weights.safetensors`, `config.json`, `card.json`. Nothing is ever unpickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from service.catalog import CONFIG, WEIGHTS, write_model_folder
from service.errors import InvalidInput
from service.predictors.smash.config import SmashConfig
from service.predictors.smash.model import Smash

FORMAT = "weightcast-smash-1"


def save_checkpoint(folder: Path, smash: Smash, card: dict[str, Any]) -> None:
    """Write a model folder. Its files appear whole, the card last."""
    tensors = {name: value.contiguous() for name, value in smash.state_dict().items()}
    config = {"format": FORMAT, "smash": smash.config.to_dict()}
    write_model_folder(folder, lambda path: save_file(tensors, path), config, card)


def load_checkpoint(folder: Path) -> Smash:
    """A model in evaluation. Raises InvalidInput when the folder does not hold one."""
    what = folder.name
    try:
        document = json.loads((folder / CONFIG).read_text())
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise InvalidInput(f"{what!r} is not a readable checkpoint: {error}", model=what) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidInput(f"{what!r} is not a SMASH model of the format {FORMAT!r}.", model=what)
    try:
        config = SmashConfig.from_dict(document["smash"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"The configuration of {what!r} is not valid: {error}", model=what) from error
    with torch.random.fork_rng():
        smash = Smash(config)
    try:
        smash.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise InvalidInput(
            f"The weights of {what!r} do not fit its configuration: {error}", model=what
        ) from error
    return smash.requires_grad_(False).eval()
