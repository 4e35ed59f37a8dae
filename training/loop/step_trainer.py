"""What trainers share whose steps depend on their number alone: budget, descent, a state to go on from."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from service.contract.options import Budget
from training.data.classes import check_classes
from training.data.dataset import Dataset
from training.job import Report
from training.loop.adam import AdamW
from training.loop.budget import falling_rate, share_used
from training.loop.run import restore_trained, train_until_done, trained_tensors
from training.loop.run_folder import RunFolder


class StepRun(Protocol):
    """What a run's configuration says beside its budget (`service.contract.options.Budget`)."""

    name: str
    learning_rate: float
    warmup_steps: int
    clip: float
    log_steps: int
    checkpoint_minutes: float


class StepTrainer(ABC):
    """The state of a run. module: all that is trained. dataset: None where no images are learned from.
    seconds: time spent training so far, over all resumptions.
    """

    def __init__(self, config: Budget, module: nn.Module, optimizer: AdamW, dataset: Dataset | None) -> None:
        """config: also a `StepRun`."""
        self._budget, self._run = config, cast(StepRun, config)
        self.module, self.optimizer, self._images = module, optimizer, dataset
        self.step = 0
        self.seconds = 0.0

    @abstractmethod
    def backward(self) -> dict[str, float]:
        """Leave the gradients of one step. Returns its losses, and what else was measured."""

    def measurements(self) -> dict[str, float]:
        """What is measured after a step, apart from it."""
        return {}

    @property
    def progress(self) -> float:
        """Share of the budget that is used."""
        return share_used(self._budget, self.step, self.seconds)

    def train_step(self) -> dict[str, float]:
        """One step; what was measured in it."""
        started, run = time.monotonic(), self._run
        self.optimizer.zero_grad()
        record = self.backward()
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), run.clip)
        rate = falling_rate(
            self.step, self.progress, highest=run.learning_rate, warmup_steps=run.warmup_steps
        )
        if torch.isfinite(norm):  # a random network may have no finite loss
            self.optimizer.step(rate)
        self.step += 1
        record |= self.measurements()
        self.seconds += time.monotonic() - started
        return record

    def run_until_done(self) -> None:
        while self.progress < 1:
            self.train_step()

    def run_in(self, folder: Path, on_progress: Report) -> bool:
        """Go on with the run of a folder. Returns whether the budget is used; if not, a signal came.

        on_progress: gets every record of `metrics.jsonl`. Raises what `train_until_done` raises.
        """
        run = self._run
        return train_until_done(
            self, RunFolder(folder), asdict(self._budget),
            learning_rate=run.learning_rate, log_steps=run.log_steps,
            checkpoint_minutes=run.checkpoint_minutes, on_progress=on_progress,
        )  # fmt: skip

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and numbers from which `restore` goes on exactly."""
        classes = {} if self._images is None else {"classes": list(self._images.classes)}
        state = {"step": self.step, "seconds": self.seconds, **classes}
        return trained_tensors(self.module, self.optimizer), state

    def restore(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Raises InvalidRequest for the state of another model, or of other classes."""
        if self._images is not None:
            classes = self._images.classes
            count = len(state.get("classes", classes))  # older ones: by the shapes below
            check_classes(state, count, classes, self._run.name)
        restore_trained(self.module, self.optimizer, tensors)
        self.step, self.seconds = state["step"], state["seconds"]
