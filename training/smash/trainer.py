"""Training a SMASH hypernetwork: at every step random architectures, their generated weights, and the loss of
these networks on images (Brock et al. 2017, section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from service.errors import InvalidRequest
from service.executor.cost import network_cost
from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.smash import build_smash, parse_smash
from service.kit.cores import usable_cores
from service.predictors.smash.model import Smash
from service.predictors.smash.space import random_architecture
from training.data.dataset import Dataset, sample_batch
from training.data.load import configured_dataset
from training.loop.adam import AdamW, ParameterGroup
from training.loop.network_runner import NetworkRunner, send_back
from training.loop.number_format import activation_format
from training.loop.step_trainer import StepTrainer
from training.smash.config import SmashRun
from training.smash.score import Description, smash_score

# Of the architectures that are measured, in every run the same.
_VALIDATION_SEED = 1
_STEP_STREAM = 5
# Of the learning rate. At the full rate the weights that suit all networks grow so fast that what layers are
# said to do changes them no more (docs/smash.md).
_HYPERNETWORK_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A random network of a step."""

    graph: ArchGraph
    cost: float


class SmashTrainer(StepTrainer):
    """The networks of a step run side by side, on as many threads.

    threads: the most of them; 0 for every core. Raises InvalidRequest for an unknown data set, InvalidInput
    for images that cannot be read.
    """

    def __init__(self, config: SmashRun, cache_dir: Path | None = None, *, threads: int = 0) -> None:
        self.config = config
        self.dtype = activation_format(config.bfloat16)
        # The optimizer clips the gradient of the step.
        self._runner = NetworkRunner(
            min(config.networks, threads or usable_cores()), self.dtype, clip=float("inf")
        )
        self.dataset: Dataset = configured_dataset(config, cache_dir, image_size=config.image_size)
        if len(self.dataset.classes) < 2:
            raise InvalidRequest("The images are all of one class.", field="/data")
        with torch.random.fork_rng():  # modules initialise themselves from the global generator
            torch.manual_seed(config.seed)
            self.smash = Smash(config.smash(len(self.dataset.classes)))
        shared, hypernetwork = self.smash.shared.parameters(), self.smash.hypernetwork.parameters()
        groups = [
            ParameterGroup(list(shared), config.weight_decay),
            ParameterGroup(list(hypernetwork), config.weight_decay, _HYPERNETWORK_SHARE),
        ]
        super().__init__(config, self.smash, AdamW(groups), self.dataset)

    def backward(self) -> dict[str, float]:
        """Mean loss and accuracy (percent) of the networks of a step."""
        random = np.random.default_rng([self.config.seed, _STEP_STREAM, self.step])
        networks, data = [], []
        for _ in range(self.config.networks):
            networks.append(parse_smash(self._draw(random)))
            chosen = random.integers(len(self.dataset.train), size=self.config.images)
            data.append(sample_batch(self.dataset, chosen, random))
        graphs = [build_smash(network) for network in networks]
        drawn = [_Drawn(graph, network_cost(graph, self.config.image_size)) for graph in graphs]
        weights = [self.smash(network) for network in networks]
        outcomes = self._runner.run(drawn, weights, data)
        for outcome in outcomes:
            for gradient in outcome.gradients.values():
                gradient.div_(len(outcomes))
        send_back(weights, outcomes)
        return {
            "loss": float(np.mean([outcome.loss for outcome in outcomes])),
            "accuracy": 100 * float(np.mean([outcome.accuracy for outcome in outcomes])),
        }

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
                dtype=self.dtype,
            )[0]
            for document in documents
        ]

    def _draw(self, random: np.random.Generator) -> dict[str, Any]:
        return random_architecture(self.smash.config, random, image_size=self.config.image_size)
