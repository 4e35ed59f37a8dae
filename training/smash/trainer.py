"""Training a SMASH hypernetwork: at every step random architectures, their generated weights, and the loss of
these networks on images (Brock et al. 2017, section 3).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from service.errors import InvalidRequest
from service.executor.networks import Network
from service.graph_io.cells.smash import build_smash, parse_smash
from service.predictors.smash.model import Smash
from service.predictors.smash.space import random_architecture
from training.data.dataset import Dataset, configured_dataset, sample_batch
from training.loop.step_trainer import StepTrainer
from training.smash.config import SmashRun
from training.smash.score import Description, smash_score

# Of the architectures that are measured, in every run the same.
_VALIDATION_SEED = 1
_STEP_STREAM = 5


class SmashTrainer(StepTrainer):
    """Raises InvalidRequest for an unknown data set, InvalidInput for images that cannot be read."""

    def __init__(self, config: SmashRun, cache_dir: Path | None = None) -> None:
        self.config = config
        self.dataset: Dataset = configured_dataset(config, cache_dir, image_size=config.image_size)
        if len(self.dataset.classes) < 2:
            raise InvalidRequest("The images are all of one class.", field="/data")
        with torch.random.fork_rng():  # modules initialise themselves from the global generator
            torch.manual_seed(config.seed)
            self.smash = Smash(config.smash(len(self.dataset.classes)))
        optimizer = torch.optim.AdamW(self.smash.parameters(), weight_decay=config.weight_decay, fused=True)
        super().__init__(config, self.smash, optimizer, self.dataset)

    def backward(self) -> dict[str, float]:
        """Mean loss and accuracy (percent) of the networks of a step."""
        random = np.random.default_rng([self.config.seed, _STEP_STREAM, self.step])
        losses, accuracies = [], []
        for _ in range(self.config.networks):
            loss, accuracy = self._loss(random)
            torch.autograd.backward(loss / self.config.networks)
            losses.append(float(loss.detach()))
            accuracies.append(accuracy)
        return {"loss": float(np.mean(losses)), "accuracy": float(np.mean(accuracies))}

    def measurements(self) -> dict[str, float]:
        """Every so often `validation`, the mean accuracy in percent of the architectures that are always
        measured.
        """
        every = self.config.validate_steps
        return {"validation": float(np.mean(self.scores()))} if every and self.step % every == 0 else {}

    def scores(self, description: Description = "true") -> list[float]:
        """SMASH scores in percent of the architectures that are always measured."""
        random = np.random.default_rng(_VALIDATION_SEED)
        documents = [self._draw(random) for _ in range(self.config.validate_networks)]
        return [
            smash_score(
                self.smash,
                document,
                self.dataset,
                images=self.config.validate_images,
                description=description,
            )[0]
            for document in documents
        ]

    def _loss(self, random: np.random.Generator) -> tuple[Tensor, float]:
        """Cross-entropy of a random architecture with its generated weights, and its accuracy in percent."""
        network = parse_smash(self._draw(random))
        chosen = random.integers(len(self.dataset.train), size=self.config.images)
        images, labels = sample_batch(self.dataset, chosen, random)
        logits = Network(build_smash(network))(images, self.smash(network))
        accuracy = 100 * float((logits.argmax(1) == labels).float().mean())
        return F.cross_entropy(logits, labels), accuracy

    def _draw(self, random: np.random.Generator) -> dict[str, Any]:
        return random_architecture(self.smash.config, random, image_size=self.config.image_size)
