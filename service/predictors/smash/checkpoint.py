"""SMASH model folders: `weights.safetensors`, `config.json`, `card.json`. Nothing is ever unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from service.models.publish import write_model_folder
from service.models.torch_folder import filled, read_model_folder, reading_configuration
from service.predictors.smash.config import SmashConfig
from service.predictors.smash.model import Smash

FORMAT = "weightcast-smash-1"


def save_checkpoint(folder: Path, smash: Smash, card: Mapping[str, Any]) -> None:
    """Write a model folder. Its files appear whole, the card last."""
    tensors = {name: value.contiguous() for name, value in smash.state_dict().items()}
    config = {"format": FORMAT, "smash": smash.config.to_dict()}
    write_model_folder(folder, lambda path: save_file(tensors, path), config, card)


def load_checkpoint(folder: Path) -> Smash:
    """A model in evaluation. Raises InvalidInput when the folder does not hold one."""
    document, tensors = read_model_folder(folder, FORMAT, "SMASH model")
    with reading_configuration(folder.name):
        config = SmashConfig.from_dict(document["smash"])
    with torch.random.fork_rng():
        smash = Smash(config)
    return filled(smash, tensors, folder.name)
