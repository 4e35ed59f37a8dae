"""The weight task: networks with generated weights on images (HyperNAS paper, key design 2, D_aux)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from service.errors import InvalidRequest
from service.executor.networks import Network
from service.predictors.hypernas.batch import CellBatch, make_batch
from service.predictors.hypernas.cell_graph import CellGraph, read_cell
from service.predictors.hypernas.config import HyperNASConfig
from service.predictors.hypernas.model import HyperNAS
from service.predictors.hypernas.small_network import SmallNetwork, small_network
from training.data.dataset import Dataset, ImageSet, batches, sample_batch
from training.data.load import configured_dataset
from training.hypernas.cells import random_cell
from training.hypernas.config import HyperNASRun

# Networks of random cells on which a hypernetwork is measured, the same in every run.
_VALIDATION_SEED = 1


class WeightTask:
    """Random architectures of the space, each with images of its own."""

    def __init__(self, config: HyperNASRun, cache_dir: Path | None = None) -> None:
        self.dataset: Dataset = configured_dataset(config, cache_dir, image_size=config.image_size)
        config = config.for_classes(len(self.dataset.classes))
        self._config, self._model = config, config.model
        if len(self.dataset.classes) != self._model.num_classes:
            raise InvalidRequest(
                f"The images have {len(self.dataset.classes)} classes, the model {self._model.num_classes}.",
                field="/model/num_classes",
            )

    def loss(self, hypernas: HyperNAS, step: int) -> tuple[Tensor, float]:
        """Mean cross-entropy of the step's networks on training images, and their accuracy."""
        random = np.random.default_rng([self._config.seed, 11, step])
        cells, networks = self._prepared(self._draw(random, self._config.networks))
        losses, right = [], 0.0
        weights = hypernas.weights(cells, networks)
        for network, tensors in zip(networks, weights, strict=True):
            chosen = random.integers(len(self.dataset.train), size=self._config.images)
            images, labels = sample_batch(self.dataset, chosen, random)
            logits = _runnable(network)(images, tensors)
            losses.append(F.cross_entropy(logits, labels))
            right += float((logits.argmax(1) == labels).float().mean())
        return torch.stack(losses).mean(), right / len(networks)

    def accuracy(self, hypernas: HyperNAS, networks: int = 20, images: int = 500) -> float:
        """Mean accuracy of random networks with generated weights on validation images, 0 to 1."""
        random = np.random.default_rng(_VALIDATION_SEED)
        return float(np.mean(self.accuracies(hypernas, self._draw(random, networks), images)))

    @torch.no_grad()
    def accuracies(
        self, hypernas: HyperNAS, documents: Sequence[Mapping[str, Any]], images: int = 500
    ) -> list[float]:
        """Accuracy of each cell's network with generated weights on validation images, 0 to 1."""
        part: ImageSet = self.dataset.validation
        pictures, labels = next(batches(self.dataset, part, images, images))
        cells, networks = self._prepared(documents)
        return [
            float((_runnable(network)(pictures, tensors).argmax(1) == labels).float().mean())
            for network, tensors in zip(networks, hypernas.weights(cells, networks), strict=True)
        ]

    def _draw(self, random: np.random.Generator, count: int) -> list[Mapping[str, Any]]:
        return [random_cell(self._model.space, random) for _ in range(count)]

    def _prepared(self, documents: Sequence[Mapping[str, Any]]) -> tuple[CellBatch, list[SmallNetwork]]:
        pairs = [self._pair(document) for document in documents]
        return make_batch([cell for cell, _ in pairs], self._model.space), [network for _, network in pairs]

    def _pair(self, document: Mapping[str, Any]) -> tuple[CellGraph, SmallNetwork]:
        return (
            read_cell(document, self._model.space, prune=True),
            _small(tuple(document.items()), self._model, self._config.image_size),
        )


@lru_cache(maxsize=512)
def _small(document: tuple[tuple[str, str], ...], config: HyperNASConfig, size: int) -> SmallNetwork:
    return small_network(dict(document), config, size)


def _runnable(network: SmallNetwork) -> Network:
    # Its batch normalisations have no parameters: nothing predicts them, and a network of a few cells needs
    # none. `Network` normalises by the batch and leaves scale and shift out.
    return Network(network.graph)
