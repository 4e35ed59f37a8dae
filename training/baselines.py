"""What predicted weights are compared with: random initialisation, and training with SGD.

GHN-2 paper, section 5 and table 3: He et al. 2015; SGD with a learning rate of 0.025 and batches of 96
images. Momentum, weight decay, clipping and the falling rate are those of DARTS (Liu et al. 2019), which it
follows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import cos, pi
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from service.ghn.defaults import default_block
from service.graph_io.archgraph import ArchGraph
from service.graph_io.primitives import to_primitives
from training.data import Dataset, sample_batch
from training.networks import Network


def random_parameters(graph: ArchGraph) -> dict[str, Tensor]:
    """The field's standard initialisation of every parameter (`service.ghn.defaults`), by name."""
    targets = to_primitives(graph).targets
    return {target.parameter.name: torch.from_numpy(default_block(target).expand()) for target in targets}


@dataclass(frozen=True, kw_only=True, slots=True)
class SgdRecipe:
    """epochs: passes over the training images, or over the first `images` of them.

    The learning rate falls to zero along a cosine over the epochs.
    """

    epochs: int = 1
    images: int | None = None
    batch_size: int = 96
    learning_rate: float = 0.025
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0
    seed: int = 0


def train_network(
    graph: ArchGraph, dataset: Dataset, recipe: SgdRecipe, *,
    dtype: torch.dtype = torch.float32, state_file: Path | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
    on_batch: Callable[[float, float], None] | None = None,
) -> dict[str, Tensor]:  # fmt: skip
    """Train one network from random initialisation. Returns its parameters by name.

    dtype: of the activations; parameters and updates are float32.
    state_file: written after every epoch, and where an interrupted training goes on; removed at the end.
    on_epoch: called with the number of epochs done and the last one's mean loss.
    on_batch: called with the loss and the accuracy in percent of every batch, before its update.

    The updates of a batch whose loss is not finite are left out.
    """
    network = Network(graph)
    params = random_parameters(graph)
    momenta = {name: torch.zeros_like(value) for name, value in params.items()}
    done = 0 if state_file is None else _restore(state_file, recipe, params, momenta)
    for value in params.values():
        value.requires_grad_()
    count = len(dataset.train) if recipe.images is None else min(recipe.images, len(dataset.train))
    batches = count // recipe.batch_size
    for epoch in range(done, recipe.epochs):
        random = np.random.default_rng([recipe.seed, epoch])
        order = random.permutation(count)
        total = 0.0
        for number in range(batches):
            progress = (epoch + number / batches) / recipe.epochs
            rate = 0.5 * recipe.learning_rate * (1 + cos(pi * progress))
            indices = order[number * recipe.batch_size : (number + 1) * recipe.batch_size]
            images, labels = sample_batch(dataset, indices, random)
            loss, accuracy = _update(network, params, momenta, images.to(dtype), labels, rate, recipe)
            total += loss
            if on_batch is not None:
                on_batch(loss, accuracy)
        if state_file is not None and epoch + 1 < recipe.epochs:
            _save(state_file, recipe, params, momenta, epoch + 1)
        if on_epoch is not None:
            on_epoch(epoch + 1, total / max(1, batches))
    if state_file is not None:
        state_file.unlink(missing_ok=True)
    return {name: value.detach() for name, value in params.items()}


def _update(
    network: Network, params: dict[str, Tensor], momenta: dict[str, Tensor],
    images: Tensor, labels: Tensor, rate: float, recipe: SgdRecipe,
) -> tuple[float, float]:  # fmt: skip
    """One step of SGD with momentum, in place. Returns the loss, and the accuracy in percent, before it."""
    logits = network(images, params)
    loss = F.cross_entropy(logits, labels)
    before = float(loss.detach()), 100 * float((logits.argmax(1) == labels).float().mean())
    if not torch.isfinite(loss):
        return before
    found = torch.autograd.grad(loss, list(params.values()), allow_unused=True)
    used = {name: gradient for name, gradient in zip(params, found, strict=True) if gradient is not None}
    norm = float(torch.nn.utils.get_total_norm(used.values()))
    scale = min(1.0, recipe.clip / (norm + 1e-6))
    with torch.no_grad():
        for name, gradient in used.items():
            step = gradient.mul_(scale).add_(params[name], alpha=recipe.weight_decay)
            momenta[name].mul_(recipe.momentum).add_(step)
            params[name].sub_(momenta[name], alpha=rate)
    return before


def _save(
    file: Path, recipe: SgdRecipe, params: dict[str, Tensor], momenta: dict[str, Tensor], epochs: int
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"parameter.{name}": value.detach().contiguous() for name, value in params.items()}
    tensors |= {f"momentum.{name}": value for name, value in momenta.items()}
    temporary = file.with_suffix(".tmp")
    save_file(tensors, temporary, {"epochs": str(epochs), "recipe": json.dumps(asdict(recipe))})
    temporary.replace(file)


def _restore(file: Path, recipe: SgdRecipe, params: dict[str, Tensor], momenta: dict[str, Tensor]) -> int:
    """Epochs done; 0 without a file, or with one of another recipe."""
    if not file.exists():
        return 0
    with safe_open(file, "pt") as stored:
        metadata = stored.metadata()
        if json.loads(metadata["recipe"]) != asdict(recipe):
            return 0
        for name, value in params.items():
            value.copy_(stored.get_tensor(f"parameter.{name}"))
            momenta[name].copy_(stored.get_tensor(f"momentum.{name}"))
    return int(metadata["epochs"])
