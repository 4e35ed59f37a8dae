"""The SMASH score: how a network does on validation images with generated weights (Brock et al. 2017, 4.1).

Its controls ask for the weights with a wrong description of what the layers do. Where networks do as well
with these, the hypernetwork ignores the architecture.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from service.executor.networks import Network
from service.graph_io.cells.smash import build_smash, parse_smash
from service.predictors.smash.encoding import permuted, undescribed
from service.predictors.smash.filters import generated_filters
from service.predictors.smash.model import Smash
from training.data.dataset import Dataset
from training.evaluate.accuracy import measure

# What the hypernetwork is told of the layers: the truth, what other layers of the network do, nothing.
Description = Literal["true", "permuted", "nothing"]
DESCRIPTIONS: tuple[Description, ...] = get_args(Description)


@torch.no_grad()
def generated_weights(
    smash: Smash, document: Mapping[str, Any], description: Description = "true"
) -> dict[str, Tensor]:
    """Every parameter of the network of a document of the format `smash`, by name. A document's layers are
    always mixed up in the same way.

    Raises InvalidArchitecture or LimitExceeded, naming the field.
    """
    network = parse_smash(document)
    filters = generated_filters(network, smash.config)
    if description == "permuted":
        digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()
        filters = permuted(filters, np.random.default_rng(int.from_bytes(digest[:8])))
    elif description == "nothing":
        filters = undescribed(filters)
    weights: dict[str, Tensor] = smash(network, filters)
    return weights


def smash_score(
    smash: Smash,
    document: Mapping[str, Any],
    dataset: Dataset,
    *,
    images: int,
    description: Description = "true",
    dtype: torch.dtype = torch.float32,
) -> tuple[float, float]:
    """Percent of the first validation images that are classified correctly, and their mean cross-entropy.
    dtype: of the activations.
    """
    network = Network(build_smash(parse_smash(document)))
    weights = generated_weights(smash, document, description)
    return measure(network, weights, dataset, dataset.validation, limit=images, dtype=dtype)
