"""Trainings whose losses are lost end as failed, and single accidents do not end them."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from service.contract.options import Options
from service.contract.reading import dotted
from service.errors import TrainingDiverged
from service.workers.job_process import PROBLEM, REFUSED, RESULT, main
from training.job import TrainingJob
from training.loop.divergence import LARGEST_LOSS, LossWatch
from training.loop.run import train_until_done
from training.loop.run_folder import RunFolder


class Losses:
    """A trainer whose losses are given."""

    def __init__(self, losses: list[float]) -> None:
        self.losses, self.step, self.seconds = losses, 0, 0.0

    @property
    def progress(self) -> float:
        return self.step / len(self.losses)

    def train_step(self) -> dict[str, float]:
        self.step += 1
        return {"loss": self.losses[self.step - 1], "accuracy": nan}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {"weight": torch.zeros(1)}, {"step": self.step}

    def restore(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        self.step = state["step"]


def done(losses: list[float], folder: Path) -> bool:
    return train_until_done(
        Losses(losses), RunFolder(folder), {},
        learning_rate=0.5, log_steps=10, checkpoint_minutes=1, on_progress=lambda record: None,
    )  # fmt: skip


def test_steps_that_are_lost_one_after_the_other_end_a_run(tmp_path: Path) -> None:
    lost = [nan, inf, 2 * LARGEST_LOSS, -inf]
    with pytest.raises(TrainingDiverged, match=r"20 steps up to step 25 is not finite") as caught:
        done([2.3] * 5 + 25 * lost, tmp_path)
    assert caught.value.extra == {
        "field": "/learning_rate", "step": 25, "hint": "Lower learning_rate, which was 0.5, to 0.05 or less.",
    }  # fmt: skip
    assert not RunFolder(tmp_path).checkpoints()


def test_a_short_run_without_a_finite_loss_has_diverged(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="last 3 steps up to step 3"):
        done([nan] * 3, tmp_path)


def test_single_accidents_end_nothing(tmp_path: Path) -> None:
    assert done(([2.3] + [nan] * 19) * 4, tmp_path)


def test_losses_are_watched_one_by_one() -> None:
    watch = LossWatch(0.1)
    for step in range(19):
        watch.see(step, {"accuracy_loss": 1.0, "weight_loss": nan})
    with pytest.raises(TrainingDiverged, match="weight loss"):
        watch.see(19, {"accuracy_loss": 1.0, "weight_loss": nan})


def diverge(options: Options, job: TrainingJob) -> None:
    """What a kind of job runs."""
    done([nan] * 30, job.folder)


def test_a_job_that_diverges_fails_and_says_what_to_lower(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"name": "mine", "config": {}}')
    row = ["--run", f"{__name__}:diverge", "--options", dotted(Options)]
    assert main([*row, "--config", str(tmp_path / "job.json"), "--run-dir", str(tmp_path)]) == REFUSED
    assert "Lower learning_rate" in (tmp_path / PROBLEM).read_text()
    assert not (tmp_path / RESULT).exists()
