"""Training one network on somebody's images from the weights that a GHN predicts for it, and what that start
was worth (GHN-2 paper, section 5.3: predicted weights as an initialisation).

A run keeps what it did in a folder and goes on from there: parameters and momenta after every epoch, what was
measured in `history.json`, the result in `weights.safetensors`. An interrupted run repeats an uninterrupted
one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from service.errors import InvalidRequest
from service.executor.networks import Network
from service.executor.statistics import BatchStatistics
from service.ghn.registry import load_model
from service.graph_io.archgraph import ArchGraph
from training.baselines import Epoch, train_network
from training.data import Dataset, configured_dataset
from training.data_digest import data_digest
from training.divergence import TrainingDiverged, all_finite, diverged, is_lost
from training.evaluate import CALIBRATION_BATCHES, measure, native_dtype, training_statistics
from training.finetune_config import FineTuning
from training.interruption import Interrupted, Interruption
from training.inventory import inventory
from training.network_images import check_fits, image_channels, image_sides
from training.run_folder import RunFolder
from training.running_statistics import running_statistics
from training.starting_weights import StartingWeights, predicted_weights, random_weights

WEIGHTS = "weights.safetensors"

# The run itself, and the one from random parameters beside it.
TUNED, RANDOM = "train", "random"

_MEASURED_IMAGES = 1000
_CALIBRATION_IMAGES = 64 * CALIBRATION_BATCHES
_PULSE_SECONDS = 5.0

Progress = Callable[[dict[str, Any]], None]
Tensors = dict[str, Tensor]


def run(
    graph: ArchGraph, config: FineTuning, folder: Path, *,
    cache_dir: Path | None = None, on_progress: Progress = lambda record: None,
) -> dict[str, Any] | None:  # fmt: skip
    """Train, and leave the weights in `folder/weights.safetensors`; None when a signal came first.

    The file has every parameter of the network at its own name and shape, float32, and for batch norms their
    running statistics (`running_statistics`), of training images. on_progress: gets every record of
    `metrics.jsonl`.

    Raises InvalidRequest for images that the network does not take, UnsupportedOperator for a network that
    cannot be run, UnknownModel, InvalidInput for images that cannot be read, TrainingDiverged for a loss
    beyond all bounds and for parameters that are not finite.
    """
    dataset = configured_dataset(
        config, cache_dir,
        image_size=config.image_size or image_sides(graph), channels=image_channels(graph),
    )  # fmt: skip
    if config.images_of(dataset) < config.batch_size:
        raise InvalidRequest(
            f"A batch of {config.batch_size} images is more than there are: {config.images_of(dataset)}.",
            field="/batch_size",
        )
    network = Network(graph)
    start = _start(graph, config, dataset)
    check_fits(network, start.params, dataset)
    folder.mkdir(parents=True, exist_ok=True)
    _forget_other_data(folder, data_digest(dataset))
    record = {"kind": "data", **inventory(dataset)}
    RunFolder(folder).log(record)
    on_progress(record)
    work = _Work(network, config, dataset, RunFolder(folder), on_progress)
    with work.interruption.by_signals():
        try:
            return _result(work, start)
        except Interrupted:
            work.history.keep()
            return None


def _result(work: _Work, start: StartingWeights) -> dict[str, Any]:
    graph, config, dataset = work.network.graph, work.config, work.dataset
    tuned = work.trained(TUNED, start.params)
    tuned_accuracy, running = work.tested(tuned)
    result: dict[str, Any] = {
        "parameters": sum(value.numel() for value in tuned.values()),
        "history": work.history.of(TUNED),
        "test_accuracy": tuned_accuracy,
        "test_images": len(dataset.test),
        "start": start.origin,
        "data": dataset.name,
        "classes": list(dataset.classes),
        "images": config.images_of(dataset),
        "image_size": dataset.image_size,
        "inventory": inventory(dataset),
    }
    if config.compare:
        other = work.trained(RANDOM, random_weights(graph).params)
        result["random"] = {"history": work.history.of(RANDOM), "test_accuracy": work.tested(other)[0]}
    buffers = running_statistics(work.network, running)
    _save(work.folder.path / WEIGHTS, {**tuned, **buffers.buffers})
    work.history.keep()
    seconds = round(work.history.seconds, 1)
    return {**result, "unnamed_statistics": list(buffers.unnamed), "seconds": seconds}


def _forget_other_data(folder: Path, digest: str) -> None:
    """A run that was begun on other images under the same name begins again."""
    known = folder / "data.sha256"
    if known.exists() and known.read_text() != digest:
        for file in (*folder.glob("*.safetensors"), folder / "history.json"):
            file.unlink(missing_ok=True)
    known.write_text(digest)


def _start(graph: ArchGraph, config: FineTuning, dataset: Dataset) -> StartingWeights:
    if config.start == "random":
        return random_weights(graph)
    model = load_model(config.model)
    return predicted_weights(model, graph, dataset, noise=config.noise, seed=config.seed)


def quick_dtype(device: torch.device) -> torch.dtype:
    """Of activations in training; what is measured is computed in float32."""
    return native_dtype() if device.type == "cpu" else torch.bfloat16


class _Work:
    """What the trainings of one run share."""

    def __init__(
        self, network: Network, config: FineTuning, dataset: Dataset, folder: RunFolder, tell: Progress
    ) -> None:
        self.network, self.config, self.dataset, self.folder = network, config, dataset, folder
        self.interruption = Interruption()
        self.history = History(folder.path / "history.json")
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype = quick_dtype(self._device)
        self._tell, self._told = tell, time.monotonic()

    def trained(self, kind: str, start: Tensors) -> Tensors:
        """The parameters after the last epoch, on the CPU."""
        file = self.folder.path / f"{kind}.safetensors"
        if not file.exists():
            params = {name: value.to(self._device) for name, value in start.items()}
            if not self.history.of(kind):
                self._before(kind, params)
            trained = self._train(kind, params)
            _save(file, {name: value.cpu() for name, value in trained.items()})
        found: Tensors = load_file(file)
        return found

    def tested(self, params: Tensors) -> tuple[float, BatchStatistics]:
        """Accuracy in percent on all test images, with the batch-norm statistics that come with it."""
        on_device = {name: value.to(self._device) for name, value in params.items()}
        statistics = self._statistics(on_device)
        accuracy, _ = measure(self.network, on_device, self.dataset, self.dataset.test, statistics=statistics)
        return round(accuracy, 3), statistics

    def _before(self, kind: str, params: Tensors) -> None:
        images = min(self.config.images_of(self.dataset), _MEASURED_IMAGES)
        accuracy, loss = measure(
            self.network, params, self.dataset, self.dataset.train, limit=images, guesses=False
        )
        self._measured(kind, Epoch(0, loss, accuracy, params), images)

    def _diverged(self, what: str, step: int) -> TrainingDiverged:
        recipe, steps = self.config.recipe, self._steps
        epoch = max(1, -(-step * recipe.epochs // steps))
        return diverged(what, step=step, steps=steps, epoch=epoch, learning_rate=recipe.learning_rate)

    @property
    def _steps(self) -> int:
        recipe = self.config.recipe
        return recipe.epochs * (self.config.images_of(self.dataset) // recipe.batch_size)

    def _train(self, kind: str, params: Tensors) -> Tensors:
        recipe, updates = self.config.recipe, self._steps

        def pulse(done: int, loss: float, accuracy: float) -> None:
            if is_lost(loss):
                raise self._diverged(f"The loss is {loss:.3g}", done)
            if time.monotonic() - self._told > _PULSE_SECONDS:
                epoch = min(recipe.epochs, 1 + done * recipe.epochs // updates)
                self._log({"kind": "pulse", "epoch": epoch}, kind, done / updates)

        return train_network(
            self.network.graph, self.dataset, recipe,
            start=params, dtype=self._dtype, state_file=self.folder.path / f"{kind}.state.safetensors",
            on_epoch=lambda epoch: self._measured(kind, epoch, updates // recipe.epochs * recipe.batch_size),
            on_batch=pulse,
            interruption=self.interruption,
        )  # fmt: skip

    def _measured(self, kind: str, epoch: Epoch, training_images: int) -> None:
        """Measure after an epoch, keep it, and tell. training_images: how many its own accuracy is of."""
        step = epoch.number * self._steps // self.config.epochs
        if is_lost(epoch.loss):
            raise self._diverged(f"The loss is {epoch.loss:.3g}", step)
        if not all_finite(epoch.params):
            raise self._diverged("A parameter is not finite", step)
        statistics = self._statistics(epoch.params)
        accuracy, loss = measure(
            self.network, epoch.params, self.dataset, self.dataset.validation,
            limit=_MEASURED_IMAGES, statistics=statistics, guesses=False,
        )  # fmt: skip
        if is_lost(loss):
            raise self._diverged(f"The loss on validation images is {loss:.3g}", step)
        record = {
            "epoch": epoch.number,
            "loss": round(epoch.loss, 5),
            "training_accuracy": round(epoch.accuracy, 3),
            "training_images": training_images,
            "validation_loss": round(loss, 5),
            "validation_accuracy": round(accuracy, 3),
            "validation_images": min(len(self.dataset.validation), _MEASURED_IMAGES),
        }
        self.history.add(kind, record)
        self._log({"kind": kind, **record}, kind, epoch.number / self.config.epochs)

    def _statistics(self, params: Mapping[str, Tensor]) -> BatchStatistics:
        images = min(self.config.images_of(self.dataset), _CALIBRATION_IMAGES)
        return training_statistics(self.network, params, self.dataset, images)

    def _log(self, record: dict[str, Any], kind: str, share: float) -> None:
        trainings = 2 if self.config.compare else 1
        progress = (share + (kind == RANDOM)) / trainings
        seconds = round(self.history.seconds, 1)
        told = {**record, "seconds": seconds, "progress": round(min(1.0, progress), 5)}
        self.folder.log(told)
        self._tell(told)
        self._told = time.monotonic()


class History:
    """What was measured, by training and epoch, and how long it all took; in a file that appears whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[str, dict[str, dict[str, Any]]] = {}
        before = 0.0
        if path.exists():
            document = json.loads(path.read_text())
            self._records, before = document["records"], document["seconds"]
        self._started = time.monotonic() - before

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def of(self, kind: str) -> list[dict[str, Any]]:
        """By epoch."""
        return sorted(self._records.get(kind, {}).values(), key=lambda record: record["epoch"])

    def add(self, kind: str, record: dict[str, Any]) -> None:
        """An epoch that is trained again after a crash takes the place of its first time."""
        self._records.setdefault(kind, {})[str(record["epoch"])] = record
        self.keep()

    def keep(self) -> None:
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"records": self._records, "seconds": self.seconds}))
        os.replace(temporary, self._path)


def _save(path: Path, tensors: Tensors) -> None:
    """It appears whole. One entry of metadata alone: the same tensors give the same bytes."""
    temporary = path.with_suffix(".tmp")
    save_file({name: value.contiguous() for name, value in tensors.items()}, temporary, {"format": "pt"})
    temporary.chmod(0o644)  # safetensors creates it for its owner alone
    os.replace(temporary, path)
