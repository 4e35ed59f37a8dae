"""HyperNAS model folders: `weights.safetensors`, `config.json`, `card.json`. Nothing is ever unpickled.

Beside the model's tensors lie `known.value` and `known.score`, which turn scores into units of what was
observed.

Shape legend: K different observed values
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from service.models.publish import write_model_folder
from service.models.torch_folder import filled, read_model_folder, reading_configuration
from service.predictors.hypernas.config import HyperNASConfig
from service.predictors.hypernas.model import HyperNAS

FORMAT = "weightcast-hypernas-1"
_VALUE, _SCORE = "known.value", "known.score"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """property: what the score orders, in the words of whoever trained it. value_K, score_K: the observed
    values, rising, and their normal scores; empty for a model that saw none.
    """

    hypernas: HyperNAS
    property: str
    value_K: Floats
    score_K: Floats


def known_values(value_N: Floats, score_N: Floats) -> tuple[Floats, Floats]:
    """The different values, rising, and the score of each."""
    value_K, first = np.unique(value_N, return_index=True)
    return value_K, score_N[first]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, card: Mapping[str, Any]) -> None:
    """Write a model folder. Its files appear whole, the card last."""
    tensors = {name: value.contiguous() for name, value in checkpoint.hypernas.state_dict().items()}
    tensors[_VALUE] = torch.from_numpy(checkpoint.value_K)
    tensors[_SCORE] = torch.from_numpy(checkpoint.score_K)
    config = {
        "format": FORMAT,
        "property": checkpoint.property,
        "hypernas": checkpoint.hypernas.config.to_dict(),
    }
    write_model_folder(folder, lambda path: save_file(tensors, path), config, card)


def load_checkpoint(folder: Path) -> Checkpoint:
    """A model in evaluation. Raises InvalidInput when the folder does not hold one."""
    document, tensors = read_model_folder(folder, FORMAT, "HyperNAS model")
    with reading_configuration(folder.name):
        config = HyperNASConfig.from_dict(document["hypernas"])
        value_K, score_K = (tensors.pop(name).double().numpy() for name in (_VALUE, _SCORE))
        measured = str(document["property"])
    with torch.random.fork_rng():
        hypernas = HyperNAS(config)
    return Checkpoint(filled(hypernas, tensors, folder.name), measured, value_K, score_K)
