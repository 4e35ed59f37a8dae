"""Training one network by a recipe, from any start, such as the random one that predicted weights are
compared with (GHN-2 paper, section 5 and table 3).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from service.executor.networks import Network
from service.ghn.defaults import default_block
from service.graph_io.archgraph import ArchGraph
from service.graph_io.primitives import to_primitives
from service.kit.whole_file import whole_file
from training.data.dataset import Dataset, sample_batch
from training.loop.budget import falling_rate
from training.loop.exit_loss import mean_loss
from training.loop.interruption import Interrupted, Interruption
from training.loop.recipes import Optimizer, Recipe

_PARAMETER = "parameter."


def random_parameters(graph: ArchGraph, seed: int = 0) -> dict[str, Tensor]:
    """The field's standard initialisation of every parameter (`service.ghn.defaults`), by name."""
    targets = to_primitives(graph).targets
    return {
        target.parameter.name: torch.from_numpy(default_block(target, seed).expand()) for target in targets
    }


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch that is done. loss, accuracy (percent): means over its batches, each before its own update.

    params: as they are now, of which later epochs make others.
    """

    number: int
    loss: float
    accuracy: float
    params: Mapping[str, Tensor]


@dataclass(slots=True)
class _Place:
    """Where a training is: epochs and batches done, sums over those batches, and the state of the random
    numbers of the epoch under way.
    """

    epochs: int = 0
    batches: int = 0
    loss: float = 0.0
    accuracy: float = 0.0
    random: dict[str, Any] | None = None


def train_network(
    network: Network, dataset: Dataset, recipe: Recipe, *,
    start: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype = torch.float32, state_file: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    on_batch: Callable[[int, float, float], None] | None = None,
    until: int | None = None, interruption: Interruption | None = None,
) -> dict[str, Tensor]:  # fmt: skip
    """Train one network. Returns its parameters by name, on the device of those it started from.

    start: every parameter by name; random initialisation without it.
    dtype: of the activations; parameters and updates are float32.
    until: epochs after which it pauses; with a state file, another call goes on from there.
    state_file: written after every epoch and when interrupted, and where an interrupted training goes on;
        removed at the end. An epoch is told before it is kept: after a crash in between it is told again.
    on_batch: called for every batch with its number, from 1 and through all epochs, its loss, and its
        accuracy in percent before the update.

    The updates of a batch whose loss is not finite are left out. Raises Interrupted, with the state kept.
    """
    params = {name: value.clone() for name, value in (start or random_parameters(network.graph)).items()}
    optimizer = recipe.optimizer(params)
    place = _Place() if state_file is None else _restore(state_file, recipe, params, optimizer)
    for value in params.values():
        value.requires_grad_()
    device = next((value.device for value in params.values()), torch.device("cpu"))
    count = len(dataset.train) if recipe.images is None else min(recipe.images, len(dataset.train))
    batches = count // recipe.batch_size
    warmup_steps = round(recipe.warmup * recipe.epochs * batches)
    last = recipe.epochs if until is None else min(until, recipe.epochs)
    while place.epochs < last:
        random = np.random.default_rng([recipe.seed, place.epochs])
        order = random.permutation(count)
        if place.random is not None:
            random.bit_generator.state = place.random
        while place.batches < batches:
            if interruption is not None and interruption.requested:
                place.random = dict(random.bit_generator.state)
                if state_file is not None:
                    _save(state_file, recipe, params, optimizer, place)
                raise Interrupted
            progress = (place.epochs + place.batches / batches) / recipe.epochs
            step = place.epochs * batches + place.batches
            rate = falling_rate(step, progress, highest=recipe.learning_rate, warmup_steps=warmup_steps)
            indices = order[place.batches * recipe.batch_size : (place.batches + 1) * recipe.batch_size]
            images, labels = sample_batch(dataset, indices, random)
            images, labels = images.to(device, dtype), labels.to(device)
            loss, accuracy = _update(network, params, optimizer, images, labels, rate)
            place.batches, place.loss, place.accuracy = (
                place.batches + 1, place.loss + loss, place.accuracy + accuracy
            )  # fmt: skip
            if on_batch is not None:
                on_batch(step + 1, loss, accuracy)
        done = _Place(place.epochs + 1)
        if on_epoch is not None:
            means = place.loss / max(1, batches), place.accuracy / max(1, batches)
            now = {name: value.detach() for name, value in params.items()}
            on_epoch(Epoch(done.epochs, *means, now))
        if state_file is not None and done.epochs < recipe.epochs:
            _save(state_file, recipe, params, optimizer, done)
        place = done
    if state_file is not None and place.epochs == recipe.epochs:
        state_file.unlink(missing_ok=True)
    return {name: value.detach() for name, value in params.items()}


def _update(
    network: Network, params: dict[str, Tensor], optimizer: Optimizer, images: Tensor, labels: Tensor,
    rate: float,
) -> tuple[float, float]:  # fmt: skip
    """One step, in place. Returns the loss, and the accuracy in percent, before it."""
    answers = network.answers(images, params)
    logits, loss = answers[-1], mean_loss(answers, labels)
    before = float(loss.detach()), 100 * float((logits.argmax(1) == labels).float().mean())
    if torch.isfinite(loss):
        gradients = torch.autograd.grad(loss, list(params.values()), allow_unused=True)
        named = zip(params, gradients, strict=True)
        optimizer.step({name: gradient for name, gradient in named if gradient is not None}, rate)
    return before


def _save(file: Path, recipe: Recipe, params: dict[str, Tensor], optimizer: Optimizer, place: _Place) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"{_PARAMETER}{name}": value.detach().cpu().contiguous() for name, value in params.items()}
    tensors |= {name: value.cpu().contiguous() for name, value in optimizer.state().items()}
    described = {"place": json.dumps(asdict(place)), "recipe": _described(recipe)}
    with whole_file(file) as path:
        save_file(tensors, path, described)


def _restore(file: Path, recipe: Recipe, params: dict[str, Tensor], optimizer: Optimizer) -> _Place:
    """Where the training was; its beginning without a file, or with one of another recipe."""
    if not file.exists():
        return _Place()
    with safe_open(file, "pt") as stored:
        metadata = stored.metadata()
        if metadata["recipe"] != _described(recipe):
            return _Place()
        for name, value in params.items():
            value.copy_(stored.get_tensor(f"{_PARAMETER}{name}"))
        for name, value in optimizer.state().items():
            value.copy_(stored.get_tensor(name))
    return _Place(**json.loads(metadata["place"]))


def _described(recipe: Recipe) -> str:
    return json.dumps({"kind": type(recipe).__name__, **asdict(recipe)})
