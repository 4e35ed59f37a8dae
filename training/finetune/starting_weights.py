"""Parameters that the training of one network starts from: those that a GHN predicts, or random ones.

Both are brought to the scale at which they learn (`scale_before_norms`), which changes nothing that the
network computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from service.ghn.registry import LoadedModel
from service.graph_io.archgraph import ArchGraph
from service.models.catalog import ModelCard, TrainedData
from service.weights.blocks import Provenance
from training.data.dataset import Dataset
from training.finetune.scale_before_norms import scaled_before_norms
from training.loop.network_training import random_parameters


@dataclass(frozen=True)
class StartingWeights:
    """params: every parameter by name, on the CPU. origin: how they came about, for the record."""

    params: dict[str, Tensor]
    origin: dict[str, Any]

    @property
    def head_is_solved(self) -> bool:
        return bool(self.origin["classifier"] == "solved")


def random_weights(graph: ArchGraph, *, seed: int = 0) -> StartingWeights:
    """The field's standard initialisation; same seed and network: same values."""
    params = scaled_before_norms(graph, random_parameters(graph, seed))
    return StartingWeights(params, {"start": "random", "classifier": "random"})


def predicted_weights(
    model: LoadedModel, graph: ArchGraph, dataset: Dataset, *, noise: float = 0.0, seed: int = 0
) -> StartingWeights:
    """What a GHN predicts. The last layer comes from it only where it was trained on the classes of these
    data; elsewhere that layer is initialised at random, as its classes mean nothing here, and so is what the
    GHN has no decoder for.

    noise: see `with_noise`. seed: of the noise and of what is random.
    """
    knows_classes = trained_on(model.card, dataset)
    weights = model.predict(graph, include_classifier=knows_classes)
    drawn = random_parameters(graph, seed)
    predicted = {
        name for name, block in weights.blocks.items() if block.provenance is not Provenance.DEFAULTED
    }
    params = {
        name: torch.from_numpy(values) if name in predicted else drawn[name]
        for name, values in weights.expand().items()
    }
    if noise > 0:
        params = with_noise(params, predicted, noise, seed)
    origin = {
        "start": "predicted",
        "model": model.card.name,
        "model_digest": model.card.digest,
        "coverage": round(weights.coverage, 6),
        "classifier": "predicted" if knows_classes else "random",
        "noise": noise,
    }
    return StartingWeights(scaled_before_norms(graph, params), origin)


def trained_on(card: ModelCard, dataset: Dataset) -> bool:
    """Whether a GHN knows the classes of a data set: they have the same names in the same order. A card of
    before classes were kept names a data set, which is not a folder that happens to be called so.
    """
    return any(_same(data, dataset) for data in card.trained_data)


def _same(data: TrainedData, dataset: Dataset) -> bool:
    if data.classes is not None:
        return data.classes == dataset.classes
    known = data.dataset == dataset.name and data.num_classes == len(dataset.classes)
    return known and dataset.report is None


def with_noise(params: dict[str, Tensor], names: set[str], noise: float, seed: int) -> dict[str, Tensor]:
    """The parameters, with Gaussian noise of so many standard deviations of its own values on each weight of
    two or more axes in `names`, and the deviation that they had before.

    A GHN repeats a small block along the channels: copies get equal gradients and stay equal. Noise tells
    them apart.
    """
    random = torch.Generator().manual_seed(seed)
    noisy = {}
    for name, value in params.items():
        noisy[name] = value
        if name in names and value.ndim > 1:
            drawn = torch.randn(value.shape, generator=random)
            noisy[name] = (value + noise * value.std(correction=0) * drawn) / sqrt(1 + noise**2)
    return noisy
