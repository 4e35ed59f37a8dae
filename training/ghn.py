"""Training a GHN: `train(config, folder)` runs until its budget is used, from nothing or from the folder's
last checkpoint.

GHN-2 paper, sections 4.3 and 5: every step samples a meta-batch of architectures, predicts their
parameters, and takes the
gradient of their mean loss on training images. Here every architecture sees images of its own.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from service.errors import InvalidRequest
from service.ghn.checkpoint import save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from training.architecture_source import ArchitectureSource
from training.data import Dataset, load_dataset, sample_batch
from training.evaluate import evaluate_networks, validation_networks
from training.recipe import Stage, TrainConfig
from training.run_folder import RunFolder
from training.step import NetworkRunner, accumulate
from training.team import Team

Progress = Callable[[dict[str, Any]], None]

_LOSS_CAP = 10.0


def train(
    config: TrainConfig,
    folder: Path,
    *,
    cache_dir: Path | None = None,
    resume: bool = False,
    on_progress: Progress | None = None,
) -> Path:
    """Train, and leave the averaged GHN as a model folder in `folder/model`. Returns `folder`.

    resume: go on from the folder's newest checkpoint, if there is one; the configuration may have changed
    (image sizes,
    budgets of the networks, learning rate). With a budget in steps, a resumed run repeats an uninterrupted
    one.
    on_progress: gets every record of `metrics.jsonl`.

    SIGTERM and SIGINT end the run after the current step, with a checkpoint and a model.
    Raises InvalidRequest if the folder holds a run and resume is False.
    """
    run = RunFolder(folder)
    if run.checkpoints() and not resume:
        raise InvalidRequest(
            f"{folder} already holds a training run.", field="name", hint="Resume it, or choose another name."
        )
    trainer = Trainer(config, run, cache_dir, on_progress)
    if trainer.team.leads:
        run.write_config(config.to_dict())
    trainer.restore()
    trainer.run_until_done()
    return folder


class Trainer:
    """The state of a run. `seconds`: time spent training so far, over all resumptions.

    Under torchrun every process has one, and the same GHN; the one that leads keeps the records.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: RunFolder,
        cache_dir: Path | None = None,
        on_progress: Progress | None = None,
    ) -> None:
        self.config, self.folder, self.on_progress = config, folder, on_progress
        self.team = Team()
        data_dir = None if config.data_dir is None else Path(config.data_dir)
        self.dataset = load_dataset(config.data, data_dir=data_dir, cache_dir=cache_dir)
        self._sizes: dict[int, Dataset] = {}
        torch.manual_seed(config.seed)
        self.ghn = GHN(GHNConfig(**{**config.ghn, "num_classes": len(self.dataset.classes)}))
        self.average = [parameter.detach().clone() for parameter in self.ghn.parameters()]
        self.optimizer = torch.optim.AdamW(
            self.ghn.parameters(),
            lr=config.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.step = 0
        self.seconds = 0.0
        self.images_seen = 0
        self.networks_seen = 0
        self.skipped = 0
        self.last_scores: dict[str, Any] = {}
        self._stop = False

    # The run

    @property
    def progress(self) -> float:
        """Share of the budget that is used."""
        if self.config.steps is not None:
            return self.step / self.config.steps
        return self.seconds / (60 * (self.config.minutes or 1))

    def run_until_done(self) -> None:
        config = self.config
        threads = config.threads or max(1, min(8, os.cpu_count() or 1) // self.team.size)
        # The networks are what runs side by side. A second thread inside one operator mostly spins: their
        # operators are small, and so are the GHN's.
        torch.set_num_threads(1)
        runner = NetworkRunner(threads, torch.bfloat16 if config.bfloat16 else torch.float32, config.clip)
        stop_before = self._catch_signals()
        last_save = last_check = self.seconds
        recent: list[dict[str, float]] = []
        try:
            with ArchitectureSource(
                config.seed,
                self.networks_seen + self.team.rank,
                len(self.dataset.classes),
                stride=self.team.size,
            ) as source:
                while self.progress < 1 and not self._stop:
                    started = time.monotonic()
                    recent.append(self._train_step(source, runner))
                    self.seconds += time.monotonic() - started
                    if not self.team.leads:
                        continue
                    if self.step % config.log_steps == 0:
                        self._log(recent)
                        recent = []
                    if self.seconds - last_check > 60 * config.validate_minutes:
                        self.validate()
                        last_check = self.seconds
                    if self.seconds - last_save > 60 * config.checkpoint_minutes:
                        self.save()
                        last_save = self.seconds
        finally:
            runner.close()
            for number, handler in stop_before.items():
                signal.signal(number, handler)
        if self.team.leads:
            self.save()
            # A run that was told to stop has no time for measuring.
            if config.validate_networks and not self._stop:
                self.validate()
            self.save_model(self.folder.model_folder)

    def _train_step(self, source: ArchitectureSource, runner: NetworkRunner) -> dict[str, float]:
        stage = self.config.stage(self.progress)
        rate = self.config.rate(self.step, self.progress)
        tasks = source.take([stage.bounds] * self.team.share(stage.meta_batch))
        data = self._batches(stage)[self.team.rank :: self.team.size]
        self.optimizer.zero_grad(set_to_none=True)
        used = [outcome for outcome in accumulate(self.ghn, tasks, data, runner) if outcome.finite]
        # A network without normalisation may have a loss in the thousands; capped, the mean still says
        # something.
        losses = [min(outcome.loss, _LOSS_CAP) for outcome in used]
        finite, loss, accuracy = self._join(len(used), sum(losses), sum(outcome.accuracy for outcome in used))
        self.skipped += stage.meta_batch - finite
        norm = float("nan")
        if finite:
            torch._foreach_div_(self._gradients(), finite)
            norm = float(torch.nn.utils.clip_grad_norm_(self.ghn.parameters(), self.config.clip))
        if np.isfinite(norm):
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
            self._update_average()
        else:
            self.skipped += finite
        self.step += 1
        self.networks_seen += stage.meta_batch
        self.images_seen += stage.meta_batch * stage.images
        count = finite or float("nan")
        return {"loss": loss / count, "accuracy": 100 * accuracy / count, "norm": norm, "rate": rate}

    def _join(self, finite: int, loss: float, accuracy: float) -> tuple[int, float, float]:
        """Sum gradients and numbers over the team, which also agrees on the time used and on when to stop."""
        for parameter in self.ghn.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        seconds = self.seconds if self.team.leads else 0.0
        total = self.team.sum(self._gradients(), [finite, loss, accuracy, seconds, float(self._stop)])
        self.seconds, self._stop = total[3], total[4] > 0
        return round(total[0]), total[1], total[2]

    def _gradients(self) -> list[Tensor]:
        return [parameter.grad for parameter in self.ghn.parameters() if parameter.grad is not None]

    def _update_average(self) -> None:
        # Early on the average follows quickly.
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(
            self.average, [parameter.detach() for parameter in self.ghn.parameters()], 1 - decay
        )

    def _batches(self, stage: Stage) -> list[tuple[Tensor, Tensor]]:
        """Images for every network of the step: each epoch in an order of its own, fixed by the seed."""
        dataset = self._sizes.get(stage.image_size)
        if dataset is None:
            dataset = self._sizes[stage.image_size] = self.dataset.resized(stage.image_size)
        random = np.random.default_rng([self.config.seed, self.step])
        count = stage.meta_batch * stage.images
        positions = np.arange(self.images_seen, self.images_seen + count)
        epochs = positions // len(dataset.train)
        orders = {int(epoch): self._order(int(epoch), len(dataset.train)) for epoch in np.unique(epochs)}
        indices = np.array(
            [orders[int(e)][p % len(dataset.train)] for e, p in zip(epochs, positions, strict=True)]
        )
        images, labels = sample_batch(dataset, indices, random)
        return list(zip(torch.split(images, stage.images), torch.split(labels, stage.images), strict=True))

    def _order(self, epoch: int, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.random.default_rng([self.config.seed, 7, epoch]).permutation(count)

    # Records

    def _log(self, recent: list[dict[str, float]]) -> None:
        means = {key: float(np.nanmean([record[key] for record in recent])) for key in recent[0]}
        left = (1 - self.progress) * self.seconds / max(self.progress, 1e-9)
        self._record(
            {
                "kind": "train",
                "step": self.step,
                **{key: round(value, 6) for key, value in means.items()},
                "skipped": self.skipped,
                "seconds": round(self.seconds, 1),
                "progress": round(self.progress, 5),
                "eta_seconds": round(left),
            }
        )

    def _record(self, record: dict[str, Any]) -> None:
        self.folder.log(record)
        if self.on_progress is not None:
            self.on_progress(record)

    def validate(self) -> None:
        """Accuracy of the averaged GHN on a few fixed, unseen networks and validation images."""
        networks = validation_networks(self.config.validate_networks, len(self.dataset.classes))
        scores = evaluate_networks(
            self.averaged(), networks, self.dataset, self.dataset.validation, limit=512,
            dtype=torch.bfloat16 if self.config.bfloat16 else torch.float32,
        )  # fmt: skip
        self.last_scores = {"mean": scores.mean, "max": scores.max, "networks": len(scores.accuracies)}
        self._record(
            {"kind": "validation", "step": self.step, "seconds": round(self.seconds, 1), **self.last_scores}
        )

    def _catch_signals(self) -> dict[int, Any]:
        if threading.current_thread() is not threading.main_thread():
            return {}

        def stop(number: int, frame: object) -> None:
            self._stop = True

        return {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}

    # Saving

    def averaged(self) -> GHN:
        ghn = GHN(self.ghn.config)
        with torch.no_grad():
            for parameter, value in zip(ghn.parameters(), self.average, strict=True):
                parameter.copy_(value)
        return ghn.requires_grad_(False).eval()

    def save_model(self, folder: Path) -> None:
        """The averaged GHN as a model folder."""
        card = {
            "name": self.config.name,
            "kind": "ghn",
            "dataset": self.dataset.name,
            "num_classes": len(self.dataset.classes),
            "training": {
                "steps": self.step,
                "minutes": round(self.seconds / 60, 1),
                "networks": self.networks_seen,
                "images": self.images_seen,
                "skipped": self.skipped,
            },
            "scores": {"id-val": self.last_scores} if self.last_scores else {},
        }
        save_checkpoint(folder, self.averaged(), card)

    def save(self) -> None:
        names = [name for name, _ in self.ghn.named_parameters()]
        tensors: dict[str, Tensor] = {}
        for name, parameter, average in zip(names, self.ghn.parameters(), self.average, strict=True):
            tensors[f"ghn.{name}"] = parameter.detach().contiguous()
            tensors[f"average.{name}"] = average
            for key, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"adam.{key}.{name}"] = value.contiguous()
        state = {
            key: getattr(self, key)
            for key in ("step", "seconds", "images_seen", "networks_seen", "skipped", "last_scores")
        }
        self.folder.save(self.step, tensors, state)

    def restore(self) -> bool:
        """Go on from the newest checkpoint; False without one."""
        found = self.folder.load()
        if found is None:
            return False
        tensors, state = found
        for key, value in state.items():
            setattr(self, key, value)
        with torch.no_grad():
            for (name, parameter), average in zip(self.ghn.named_parameters(), self.average, strict=True):
                parameter.copy_(tensors[f"ghn.{name}"])
                average.copy_(tensors[f"average.{name}"])
                keys = [key for key in ("step", "exp_avg", "exp_avg_sq") if f"adam.{key}.{name}" in tensors]
                self.optimizer.state[parameter] = {key: tensors[f"adam.{key}.{name}"] for key in keys}
        return True


def load_config(folder: Path) -> TrainConfig:
    """The configuration that a run folder was started with."""
    return TrainConfig.from_dict(json.loads((folder / "config.json").read_text()))
