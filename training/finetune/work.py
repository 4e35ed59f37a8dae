"""What the trainings of one fine-tuning share: each start is trained and measured in the same way, and goes
on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from service.errors import TrainingDiverged
from service.executor.networks import Network
from service.executor.statistics import BatchStatistics
from service.kit.whole_file import whole_file
from training.data.dataset import Dataset
from training.evaluate.accuracy import CALIBRATION_BATCHES, measure, training_statistics
from training.finetune.config import FineTuning
from training.finetune.history import History, Record, quality
from training.finetune.solved_head import last_layer, solve_head
from training.finetune.starting_weights import StartingWeights
from training.loop.divergence import all_finite, diverged, is_lost
from training.loop.interruption import Interruption
from training.loop.network_training import Epoch, train_network
from training.loop.number_format import native_format
from training.loop.run_folder import RunFolder

MEASURED_IMAGES = 1000
_CALIBRATION_IMAGES = 64 * CALIBRATION_BATCHES
_PULSE_SECONDS = 5.0

Progress = Callable[[dict[str, Any]], None]
Tensors = dict[str, Tensor]


class Work:
    """The starts of one run, each under a name of its own ("predicted", "random").

    planned_epochs: of all starts together, which progress is a share of.
    """

    def __init__(
        self, network: Network, config: FineTuning, dataset: Dataset, folder: RunFolder, tell: Progress, *,
        planned_epochs: int,
    ) -> None:  # fmt: skip
        self.network, self.config, self.dataset, self.folder = network, config, dataset, folder
        self.interruption = Interruption()
        self.history = History(folder.path / "history.json")
        self._planned = planned_epochs
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # Of activations in training; what is measured is computed in float32.
        self._dtype = native_format(self._device)
        self._tell, self._last_line = tell, time.monotonic()
        # Of each start's best epoch, where this process measured it.
        self._best_statistics: dict[str, BatchStatistics] = {}

    def with_solved_head(self, start: StartingWeights) -> StartingWeights:
        """The start with its last layer solved for the training images; as it is where the network has no
        such layer, or no finite features.
        """
        layer = last_layer(self.network)
        if layer is None:
            return start
        params = self._on_device(start.params)
        solved = solve_head(
            layer, params, self.dataset, self._statistics(params),
            images=self.config.images_of(self.dataset), validation_images=MEASURED_IMAGES,
        )  # fmt: skip
        if solved is None:
            return start
        origin = {**start.origin, "classifier": "solved", "strength": solved.strength}
        return StartingWeights({**start.params, **solved.params}, origin)

    def train(self, kind: str, start: StartingWeights, until: int) -> None:
        """Train one start to the end of so many epochs. Raises TrainingDiverged, Interrupted."""
        params = self._on_device(start.params)
        if not self.history.of(kind):
            self._before(kind, params)
        if self.history.of(kind)[-1]["epoch"] < until:
            self._train(kind, params, self.rate(start), until)

    def best(self, kind: str) -> Tensors:
        """The parameters of the epoch that did best on validation images, on the CPU."""
        tensors: Tensors = load_file(self._best_file(kind))
        return tensors

    def tested(self, kind: str, params: Tensors) -> tuple[float, BatchStatistics]:
        """Accuracy in percent on all test images of a start's best epoch, which has these parameters, with
        the batch-norm statistics that come with it.
        """
        on_device = self._on_device(params)
        statistics = self._best_statistics.get(kind) or self._statistics(on_device)
        accuracy, _ = measure(self.network, on_device, self.dataset, self.dataset.test, statistics=statistics)
        return round(accuracy, 3), statistics

    def rate(self, start: StartingWeights) -> float:
        """The learning rate from this start."""
        return self.config.rate(start.head_is_solved, self.steps)

    @property
    def steps(self) -> int:
        """Of one whole training."""
        return self.config.epochs * self._batches

    @property
    def _batches(self) -> int:
        return self.config.images_of(self.dataset) // self.config.batch_size

    def _on_device(self, params: Mapping[str, Tensor]) -> Tensors:
        return {name: value.to(self._device) for name, value in params.items()}

    def _best_file(self, kind: str) -> Path:
        return self.folder.path / f"{kind}.best.safetensors"

    def _before(self, kind: str, params: Tensors) -> None:
        # One pass measures the start on training images and gathers their statistics.
        images, statistics = self._calibration_images, BatchStatistics()
        accuracy, loss = measure(
            self.network, params, self.dataset, self.dataset.train,
            limit=images, statistics=statistics, guesses=False,
        )  # fmt: skip
        statistics.gathering = False
        self._measured(kind, Epoch(0, loss, accuracy, params), images, 0.0, statistics)

    def _train(self, kind: str, params: Tensors, rate: float, until: int) -> None:
        recipe, batches = replace(self.config.recipe, learning_rate=rate), self._batches
        before = self.history.of(kind)[-1]["epoch"]

        def pulse(done: int, loss: float, accuracy: float) -> None:
            if is_lost(loss):
                raise self._diverged(f"The loss is {loss:.3g}", done, rate)
            if time.monotonic() - self._last_line > _PULSE_SECONDS:
                epochs = done / batches
                self._log(
                    {"kind": "pulse", "start": kind, "epoch": min(until, 1 + int(epochs)), "epochs": until},
                    max(0.0, epochs - before),
                )

        train_network(
            self.network, self.dataset, recipe,
            start=params, dtype=self._dtype, state_file=self.folder.path / f"{kind}.state.safetensors",
            on_epoch=lambda epoch: self._measured(
                kind, epoch, batches * recipe.batch_size, rate, self._statistics(epoch.params)
            ),
            on_batch=pulse, until=until, interruption=self.interruption,
        )  # fmt: skip

    def _diverged(self, what: str, step: int, rate: float) -> TrainingDiverged:
        epoch = max(1, -(-step // self._batches))
        return diverged(what, step=step, steps=self.steps, epoch=epoch, learning_rate=rate)

    def _measured(
        self, kind: str, epoch: Epoch, training_images: int, rate: float, statistics: BatchStatistics
    ) -> None:
        """Measure after an epoch, keep it, and tell. training_images: how many its own accuracy is of."""
        step = epoch.number * self._batches
        if is_lost(epoch.loss):
            raise self._diverged(f"The loss is {epoch.loss:.3g}", step, rate)
        if not all_finite(epoch.params):
            raise self._diverged("A parameter is not finite", step, rate)
        accuracy, loss = measure(
            self.network, epoch.params, self.dataset, self.dataset.validation,
            limit=MEASURED_IMAGES, statistics=statistics, guesses=False,
        )  # fmt: skip
        if is_lost(loss):
            raise self._diverged(f"The loss on validation images is {loss:.3g}", step, rate)
        record: Record = {
            "epoch": epoch.number,
            "loss": round(epoch.loss, 5),
            "training_accuracy": round(epoch.accuracy, 3),
            "training_images": training_images,
            "validation_loss": round(loss, 5),
            "validation_accuracy": round(accuracy, 3),
            "validation_images": min(len(self.dataset.validation), MEASURED_IMAGES),
        }
        earlier = [known for known in self.history.of(kind) if known["epoch"] < epoch.number]
        if all(quality(record) > quality(known) for known in earlier):
            save(self._best_file(kind), {name: value.cpu() for name, value in epoch.params.items()})
            self._best_statistics[kind] = statistics
        self.history.add(kind, record)
        self._log({"kind": kind, **record}, 0.0)

    @property
    def _calibration_images(self) -> int:
        return min(self.config.images_of(self.dataset), _CALIBRATION_IMAGES)

    def _statistics(self, params: Mapping[str, Tensor]) -> BatchStatistics:
        return training_statistics(self.network, params, self.dataset, self._calibration_images)

    def _log(self, record: dict[str, Any], under_way: float) -> None:
        """under_way: epochs done that are not in the history yet."""
        share = (self.history.epochs + under_way) / self._planned if self._planned else 1.0
        seconds = round(self.history.seconds, 1)
        line = {**record, "seconds": seconds, "progress": round(min(1.0, share), 5)}
        self.folder.log(line)
        self._tell(line)
        self._last_line = time.monotonic()


def save(path: Path, tensors: Tensors) -> None:
    """It appears whole. One entry of metadata alone: the same tensors give the same bytes."""
    with whole_file(path) as file:
        save_file({name: value.contiguous() for name, value in tensors.items()}, file, {"format": "pt"})
