"""Training a SMASH hypernetwork: at every step random architectures, their generated weights, and the loss of
these networks on images (Brock et al. 2017, section 3).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from service.errors import InvalidRequest
from service.executor.networks import Network
from service.graph_io.cells.smash import build_smash, parse_smash
from service.predictors.smash.model import Smash
from service.predictors.smash.space import random_architecture
from training.data.classes import check_classes
from training.data.dataset import Dataset, configured_dataset, sample_batch
from training.loop.budget import share_used
from training.loop.run import restore_trained, trained_tensors
from training.smash.config import SmashRun
from training.smash.score import Description, smash_score

# Of the architectures that are measured, in every run the same.
_VALIDATION_SEED = 1
_STEP_STREAM = 5


class SmashTrainer:
    """The state of a run. seconds: time spent training so far, over all resumptions.

    Raises InvalidRequest for an unknown data set, InvalidInput for images that cannot be read.
    """

    def __init__(self, config: SmashRun, cache_dir: Path | None = None) -> None:
        self.config = config
        self.dataset: Dataset = configured_dataset(config, cache_dir, image_size=config.image_size)
        if len(self.dataset.classes) < 2:
            raise InvalidRequest("The images are all of one class.", field="/data")
        with torch.random.fork_rng():  # modules initialise themselves from the global generator
            torch.manual_seed(config.seed)
            self.smash = Smash(config.smash(len(self.dataset.classes)))
        self.optimizer = torch.optim.AdamW(
            self.smash.parameters(), weight_decay=config.weight_decay, fused=True
        )
        self.step = 0
        self.seconds = 0.0

    @property
    def progress(self) -> float:
        """Share of the budget that is used."""
        return share_used(self.config, self.step, self.seconds)

    def run_until_done(self) -> None:
        while self.progress < 1:
            self.train_step()

    def train_step(self) -> dict[str, float]:
        """One step; mean loss and accuracy (percent) of its networks, and every so often `validation`, the
        mean accuracy in percent of the architectures that are always measured.
        """
        started = time.monotonic()
        random = np.random.default_rng([self.config.seed, _STEP_STREAM, self.step])
        self.optimizer.zero_grad(set_to_none=True)
        losses, accuracies = [], []
        for _ in range(self.config.networks):
            loss, accuracy = self._loss(random)
            torch.autograd.backward(loss / self.config.networks)
            losses.append(float(loss.detach()))
            accuracies.append(accuracy)
        norm = nn.utils.clip_grad_norm_(self.smash.parameters(), self.config.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate(self.step, self.progress)
        if torch.isfinite(norm):
            self.optimizer.step()
        self.step += 1
        record = {"loss": float(np.mean(losses)), "accuracy": float(np.mean(accuracies))}
        every = self.config.validate_steps
        if every and self.step % every == 0:
            record["validation"] = float(np.mean(self.scores()))
        self.seconds += time.monotonic() - started
        return record

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

    # Saving

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and numbers from which `restore` goes on exactly."""
        classes = list(self.dataset.classes)
        state = {"step": self.step, "seconds": self.seconds, "classes": classes}
        return trained_tensors(self.smash, self.optimizer), state

    def restore(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        count = len(state.get("classes", self.dataset.classes))  # older ones: by the shapes below
        check_classes(state, count, self.dataset.classes, self.config.name)
        restore_trained(self.smash, self.optimizer, tensors)
        self.step, self.seconds = state["step"], state["seconds"]
