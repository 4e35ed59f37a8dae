"""Scores of networks that cost less than training them: a few steps of SGD, weights that a GHN predicts,
weights shared by all networks of a space. What is in a folder is not done again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from service.executor.networks import Network
from service.ghn.checkpoint import load_checkpoint
from service.graph_io.archgraph import ArchGraph
from service.settings import get_settings
from training.data.dataset import Dataset, sample_batch
from training.evaluate.accuracy import measure, predicted_parameters
from training.ghn.recipe import TrainConfig
from training.ghn.trainer import train
from training.loop.network_training import random_parameters, train_network
from training.loop.progress import share_done
from training.loop.recipes import SgdRecipe

BATCH = 64
_IMAGES = 512
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Column:
    """scores: of every network, accuracy on validation images in percent. before: seconds of a training that
    comes first. each: seconds of a network.
    """

    scores: Floats
    before: float
    each: float


def scores_after_steps(folder: Path, steps: int, graphs: Sequence[ArchGraph], dataset: Dataset) -> Column:
    """After so many steps of SGD from random weights."""
    batches = max(1, min(steps, len(dataset.train) // BATCH))
    recipe = SgdRecipe(epochs=max(1, round(steps / batches)), images=batches * BATCH, batch_size=BATCH)
    column = _Kept(folder / f"{dataset.name}-{steps}-sgd-steps.json")
    return column.filled(graphs, dataset, lambda graph: train_network(Network(graph), dataset, recipe))


def ghn_scores(config: TrainConfig, folder: Path, graphs: Sequence[ArchGraph], dataset: Dataset) -> Column:
    """With the weights of a GHN that is trained as `config` says."""
    column = _Kept(folder / "scores.json")
    if share_done(folder, config) < 1 or not (folder / "model").exists():
        started = time.monotonic()
        train(config, folder, cache_dir=get_settings().home / "cache", resume=True, on_progress=_tell)
        column.before += time.monotonic() - started
        if share_done(folder, config) < 1:
            # A signal ends a training with a model; one that is cut short is no column.
            raise SystemExit("stopped; run again to go on")
    ghn = load_checkpoint(folder / "model")
    return column.filled(graphs, dataset, lambda graph: predicted_parameters(ghn, graph))


class _Kept:
    """A column in a file, which grows by a network at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        known = json.loads(path.read_text()) if path.exists() else {}
        self._scores: list[float] = known.get("scores", [])
        self._seconds: list[float] = known.get("seconds", [])
        self.before: float = known.get("before", 0.0)

    def is_complete(self, count: int) -> bool:
        return len(self._scores) >= count

    def filled(
        self, graphs: Sequence[ArchGraph], dataset: Dataset, weights: Callable[[ArchGraph], dict[str, Tensor]]
    ) -> Column:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for graph in graphs[len(self._scores) :]:
            started = time.monotonic()
            measurement = measure(Network(graph), weights(graph), dataset, dataset.validation, limit=_IMAGES)
            self._scores.append(measurement[0])
            self._seconds.append(time.monotonic() - started)
            kept = {"scores": self._scores, "seconds": self._seconds, "before": self.before}
            self._path.write_text(json.dumps(kept))
        count = len(graphs)
        return Column(np.array(self._scores[:count]), self.before, float(np.mean(self._seconds[:count])))


class SharedWeights:
    """One parameter for each place and shape, used by all networks that have it (the one-shot baseline of the
    GHN-1 paper, after Pham et al. 2018). SGD with momentum; a step trains one network on one batch.
    """

    def __init__(self, *, learning_rate: float = 0.025, momentum: float = 0.9, clip: float = 5.0) -> None:
        self._rate, self._momentum, self._clip = learning_rate, momentum, clip
        self._values: dict[tuple[str, tuple[int, ...]], Tensor] = {}
        self._momenta: dict[tuple[str, tuple[int, ...]], Tensor] = {}

    def of(self, graph: ArchGraph) -> dict[str, Tensor]:
        """The parameters of a network; new ones are initialised as usual."""
        for name, value in random_parameters(graph).items():
            self._values.setdefault((name, tuple(value.shape)), value)
        return {
            parameter.name: self._values[parameter.name, tuple(parameter.shape)]
            for parameter in graph.all_parameters()
            if (parameter.name, tuple(parameter.shape)) in self._values
        }

    def step(self, graph: ArchGraph, images: Tensor, labels: Tensor) -> float:
        """The loss before the update, which is left out where it is not finite."""
        params = {name: value.requires_grad_() for name, value in self.of(graph).items()}
        loss = F.cross_entropy(Network(graph)(images, params), labels)
        gradients = torch.autograd.grad(loss, list(params.values()), allow_unused=True)
        slopes = {name: g for name, g in zip(params, gradients, strict=True) if g is not None}
        norm = float(torch.nn.utils.get_total_norm(slopes.values()))
        with torch.no_grad():
            for name, value in params.items():
                value.requires_grad_(False)
                if name in slopes and np.isfinite(norm):
                    key = (name, tuple(value.shape))
                    momentum = self._momenta.setdefault(key, torch.zeros_like(value))
                    momentum.mul_(self._momentum).add_(slopes[name] * min(1.0, self._clip / max(norm, 1e-12)))
                    value.sub_(self._rate * momentum)
        return float(loss.detach())


def shared_scores(
    folder: Path, training: Sequence[ArchGraph], graphs: Sequence[ArchGraph], dataset: Dataset
) -> Column:
    """With weights that were shared while each of the networks of `training` had a step in turn."""
    column = _Kept(folder / f"{dataset.name}-{len(training)}-shared.json")
    shared, random, started = SharedWeights(), np.random.default_rng(0), time.monotonic()
    if not column.is_complete(len(graphs)):
        for graph in training:
            chosen = random.integers(len(dataset.train), size=BATCH)
            shared.step(graph, *sample_batch(dataset, chosen, random))
        column.before = time.monotonic() - started
    return column.filled(graphs, dataset, shared.of)


def _tell(record: dict[str, Any]) -> None:
    if record["kind"] == "train" and record["step"] % 100 == 0:
        print(f"step {record['step']}: loss {record['loss']:.3f}, {record['seconds']:.0f} s", file=sys.stderr)
