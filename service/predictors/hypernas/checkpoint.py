"""HyperNAS model folders: `weights.safetensors`, `config.json`, `card.json`. Nothing is ever unpickled.

Beside the model's tensors lie `known.value` and `known.score`, which turn scores into units of what was
observed.

Shape legend: K different observed values
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from service.catalog import CONFIG, WEIGHTS, write_model_folder
from service.errors import InvalidInput
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


def save_checkpoint(folder: Path, checkpoint: Checkpoint, card: dict[str, Any]) -> None:
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
    what = folder.name
    try:
        document = json.loads((folder / CONFIG).read_text())
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise InvalidInput(f"{what!r} is not a readable checkpoint: {error}", model=what) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidInput(f"{what!r} is not a HyperNAS model of the format {FORMAT!r}.", model=what)
    try:
        config = HyperNASConfig.from_dict(document["hypernas"])
        value_K, score_K = (tensors.pop(name).double().numpy() for name in (_VALUE, _SCORE))
        measured = str(document["property"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"The configuration of {what!r} is not valid: {error}", model=what) from error
    with torch.random.fork_rng():
        hypernas = HyperNAS(config)
    try:
        hypernas.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise InvalidInput(
            f"The weights of {what!r} do not fit its configuration: {error}", model=what
        ) from error
    return Checkpoint(hypernas.requires_grad_(False).eval(), measured, value_K, score_K)
