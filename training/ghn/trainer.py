"""Training a GHN: `train(config, folder)` runs until its budget is used, from nothing, from another model, or
from the folder's last checkpoint.

GHN-2 paper, sections 4.3 and 5: every step samples a meta-batch of architectures, predicts their
parameters, and takes the gradient of their mean loss on training images. Here every architecture sees images
of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from service.errors import InvalidRequest
from service.ghn.checkpoint import save_checkpoint
from service.ghn.model import GHN
from service.kit.cores import usable_cores
from training.data.classes import check_classes
from training.data.inventory import inventory
from training.evaluate.accuracy import Scores, evaluate_networks
from training.ghn.architecture_source import ArchitectureSource
from training.ghn.data_sets import load_data_sets
from training.ghn.image_stream import ImageSelection, ImageStream
from training.ghn.launch import companions
from training.ghn.learned import Learned
from training.ghn.recipe import Stage, TrainConfig
from training.ghn.start import CLASSIFIER_BIAS, start_of
from training.ghn.step import accumulate
from training.ghn.team import Team
from training.ghn.unseen import unseen_networks
from training.loop.budget import share_used
from training.loop.divergence import LossWatch, is_lost
from training.loop.interruption import Interruption
from training.loop.network_runner import NetworkRunner
from training.loop.number_format import activation_format
from training.loop.run import LOG_SECONDS
from training.loop.run_folder import RunFolder
from training.loop.small_operators import small_operators

Progress = Callable[[dict[str, Any]], None]

_LOSS_CAP = 10.0
_VALIDATION_IMAGES = 512
_COUNTERS = (
    "step",
    "seconds",
    "images_seen",
    "networks_seen",
    "skipped",
    "last_scores",
    "images_before",
    "networks_before",
    "origin",
    "classes",
    "class_counts",
)


def train(
    config: TrainConfig,
    folder: Path,
    *,
    cache_dir: Path | None = None,
    resume: bool = False,
    processes: int = 1,
    on_progress: Progress | None = None,
) -> Path:
    """Train, and leave the averaged GHN as a model folder in `folder/model`. Returns `folder`.

    resume: go on from the folder's newest checkpoint, if there is one; the configuration may have changed
    (image sizes, budgets of the networks, learning rate). With a budget in steps, a resumed run repeats an
    uninterrupted one.
    processes: how many share the work; what is learned depends on it by rounding alone. Under `torchrun`, as
    many as that started.
    on_progress: gets every record of `metrics.jsonl`.

    SIGTERM and SIGINT end the run after the current step, with a checkpoint and a model.
    Raises InvalidRequest if the folder holds a run and resume is False; TeamBroken if a process died;
    TrainingDiverged.
    """
    run = RunFolder(folder)
    if run.checkpoints() and not resume:
        raise InvalidRequest(
            f"{folder} already holds a training run.",
            field="/name",
            hint="Resume it, or choose another name.",
        )
    trainer = Trainer(
        config, run, cache_dir, on_progress, team=Team.of_torchrun() or Team(size=max(1, processes))
    )
    trainer.restore()
    trainer.run_until_done()
    return folder


class Trainer:
    """The state of a run. `seconds`: time spent training so far, over all resumptions.

    Every process of a team has one, and the same GHN; the one that leads keeps the records.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: RunFolder,
        cache_dir: Path | None = None,
        on_progress: Progress | None = None,
        *,
        team: Team | None = None,
    ) -> None:
        self.folder, self.cache_dir, self.on_progress = folder, cache_dir, on_progress
        self.team = team or Team()
        # What others load is no longer free when they look.
        self.data = load_data_sets(config, cache_dir, self.team.size if self.team.leads else 1)
        self.class_counts, self.classes = self.data.class_counts, self.data.classes
        self.images = ImageStream(self.data.each, config.seed, crop=config.crop)
        torch.manual_seed(config.seed)
        # A run that has begun has its weights, and the GHN's configuration, in its folder.
        begun = load_config(folder.path).ghn if folder.checkpoints() else {}
        start = start_of(
            None if folder.checkpoints() else config.from_model,
            {**begun, **config.ghn},
            self.class_counts,
        )
        self.config = replace(config, ghn=start.config.differences())
        self.learned = Learned(GHN(start.config), config, self.team.device)
        self.learned.fill(start.tensors)
        self.step = 0
        self.seconds = 0.0
        self.images_seen = 0
        self.networks_seen = 0
        self.images_before, self.networks_before = start.images, start.networks
        self.origin = start.origin
        self.skipped = 0
        self.last_scores: dict[str, Any] = {}
        self._interruption = Interruption()  # of this process
        self._stop = False  # of all, after the same step
        self._watch = LossWatch(self.config.highest_rate)
        self._clock = time.monotonic()

    # The run

    @property
    def progress(self) -> float:
        """Share of the budget that is used."""
        return share_used(self.config, self.step, self.seconds)

    def run_until_done(self) -> None:
        """Train until the budget is used or a signal comes; the leader starts the other processes."""
        if self.team.leads:
            self._check_bounds()
            self.folder.write_config(asdict(self.config))
            for dataset in self.data.each:
                self._record({"kind": "data", **inventory(dataset)})
        with ExitStack() as stack:
            stack.enter_context(self._interruption.by_signals())
            if self.team.leads and self.team.size > 1 and Team.of_torchrun() is None:
                others = stack.enter_context(companions(self.team.size, self.folder.path, self.cache_dir))
                self.team.meeting = others.meeting
                others.wait_until_ready()
            self.team.meet()
            stack.callback(self.team.part)
            stack.enter_context(small_operators())
            self._steps()
            if not self._stop:
                self._watch.end(self.step)
            # A run that was told to stop has no time for measuring.
            if self.team.leads:
                self.save()
            if not self._stop:
                self.validate()
        if self.team.leads:
            self.save_model(self.folder.model_folder)

    def _steps(self) -> None:
        config = self.config
        on_gpu = self.team.device.type == "cuda"
        threads = config.threads or (1 if on_gpu else max(1, min(8, usable_cores()) // self.team.size))
        dtype = activation_format(config.bfloat16, self.team.device)
        runner = NetworkRunner(threads, dtype, config.clip, self.team.device)
        first = self._next_network
        source = ArchitectureSource(
            config.seed,
            first + (self.team.rank - first) % self.team.size,
            self.class_counts,
            stride=self.team.size,
            networks=config.networks,
            different=config.different_networks,
        )
        last_save = last_check = last_log = self.seconds
        recent: list[dict[str, float]] = []
        self._clock = time.monotonic()
        try:
            with source:
                while self.progress < 1 and not self._stop:
                    recent.append(self._train_step(source, runner))
                    if self.step % config.log_steps == 0 or self.seconds - last_log > LOG_SECONDS:
                        self._log(recent)
                        recent, last_log = [], self.seconds
                    if self.seconds - last_check > 60 * config.validate_minutes:
                        last_check = self.seconds
                        self.validate()
                    if self.seconds - last_save > 60 * config.checkpoint_minutes:
                        last_save = self.seconds
                        self.save()
        finally:
            runner.close()
            self.images.close()

    def _train_step(self, source: ArchitectureSource, runner: NetworkRunner) -> dict[str, float]:
        stage = self.config.stage(self.progress)
        rate = self.config.rate(self.step, self.progress)
        mine = self.team.share(self._next_network, stage.meta_batch)
        tasks = source.take([stage.bounds] * len(mine))
        data = self._batches(stage, mine)
        self.learned.optimizer.zero_grad()
        used = [outcome for outcome in accumulate(self.learned.ghn, tasks, data, runner) if outcome.finite]
        # A network without normalisation may have a loss in the thousands; capped, the mean still says
        # something.
        losses = [min(outcome.loss, _LOSS_CAP) for outcome in used]
        sane = sum(not is_lost(outcome.loss) for outcome in used)
        finite, loss, accuracy, sane = self._join(
            len(used), sum(losses), sum(outcome.accuracy for outcome in used), sane
        )
        self.skipped += stage.meta_batch - finite
        norm = float("nan")
        if finite:
            torch._foreach_div_(self.learned.gradients(), finite)
            norm = float(torch.nn.utils.clip_grad_norm_(self.learned.ghn.parameters(), self.config.clip))
        if np.isfinite(norm):
            # Weights that were taken over are an average already.
            self.learned.update(rate, age=self.step + self.networks_before)
        else:
            self.skipped += finite
        self.step += 1
        self.networks_seen += stage.meta_batch
        self.images_seen += stage.meta_batch * stage.images
        count = finite or float("nan")
        self._watch.see(self.step, {"loss": loss / count if sane and np.isfinite(norm) else float("nan")})
        return {"loss": loss / count, "accuracy": 100 * accuracy / count, "norm": norm, "rate": rate}

    def _join(self, finite: int, loss: float, accuracy: float, sane: int) -> tuple[int, float, float, int]:
        """Sum gradients and numbers over the team, which also agrees on the time used and on when to stop."""
        now = time.monotonic()
        seconds = self.seconds + now - self._clock if self.team.leads else 0.0
        self._clock = now
        numbers = [finite, loss, accuracy, seconds, float(self._interruption.requested), sane]
        total = self.team.sum(self.learned.gradients(), numbers)
        self.seconds, self._stop = total[3], total[4] > 0
        return round(total[0]), total[1], total[2], round(total[5])

    @property
    def _next_network(self) -> int:
        return self.networks_before + self.networks_seen

    def _batches(self, stage: Stage, mine: list[int]) -> list[tuple[Tensor, Tensor]]:
        """Images for this process's networks of the step; those of the next step are begun."""
        first = self.images_before + self.images_seen
        selection = ImageSelection(
            self.step, first, self._next_network, tuple(mine), stage.images, stage.image_size
        )
        after = self.team.share(self._next_network + stage.meta_batch, stage.meta_batch)
        following = replace(
            selection,
            step=self.step + 1,
            first=first + stage.meta_batch * stage.images,
            network=self._next_network + stage.meta_batch,
            positions=tuple(after),
        )
        return self.images.take(selection, following)

    # Records

    def _log(self, recent: list[dict[str, float]]) -> None:
        if not self.team.leads:
            return
        means = {key: _mean([record[key] for record in recent]) for key in recent[0]}
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
        """Accuracy of the averaged GHN on a few fixed, unseen networks and validation images. The processes
        share the networks; a signal ends it, and nothing is told.
        """
        count = self.config.validate_networks
        if not count:
            return
        networks = unseen_networks(self.config, self.class_counts[0])
        ghn, dtype = self.learned.averaged(), activation_format(self.config.bfloat16)
        measured = [0.0] * count
        for index in self.team.share(0, count):
            if self._interruption.requested:
                measured[index] = float("nan")
                continue
            (measured[index],) = evaluate_networks(
                ghn, [networks[index]], self.data.first, self.data.first.validation,
                limit=_VALIDATION_IMAGES, dtype=dtype,
            ).accuracies  # fmt: skip
        scores = Scores(tuple(self.team.sum([], measured)))
        self._clock = time.monotonic()
        if self.team.leads and np.isfinite(scores.mean):
            images = min(_VALIDATION_IMAGES, len(self.data.first.validation))
            self.last_scores = {
                "mean": scores.mean, "max": scores.max, "networks": count, "images": images
            }  # fmt: skip
            seconds = round(self.seconds, 1)
            self._record({"kind": "validation", "step": self.step, "seconds": seconds, **self.last_scores})

    def _check_bounds(self) -> None:
        """Raises InvalidRequest where a space has nothing within the bounds of a stage: before there are
        other processes, whose errors nobody would see.
        """
        networks, classes = self.config.networks, self.class_counts[0]
        if networks is None:
            return
        for stage in self.config.stages:
            networks.graph("train", self.config.seed, 0, num_classes=classes, bounds=stage.bounds)

    # Saving

    def save_model(self, folder: Path) -> None:
        """The averaged GHN as a model folder."""
        card = {
            "name": self.config.name,
            "kind": "ghn",
            **self.data.card_fields(),
            "training": {
                **({"space": self.config.space} if self.config.space else {}),
                "steps": self.step,
                "minutes": round(self.seconds / 60, 1),
                "networks": self.networks_seen,
                "images": self.images_seen,
                "skipped": self.skipped,
                **({"from": self.origin} if self.origin else {}),
            },
            "scores": {self.config.space or "id-val": self.last_scores} if self.last_scores else {},
        }
        save_checkpoint(folder, self.learned.averaged(), card)

    def save(self) -> None:
        if self.team.leads:
            state = {key: getattr(self, key) for key in _COUNTERS}
            self.folder.save(self.step, self.learned.tensors(), state)
        self._clock = time.monotonic()

    def restore(self) -> bool:
        """Go on from the newest checkpoint; False without one."""
        checkpoint = self.folder.load()
        if checkpoint is None:
            return False
        tensors, state = checkpoint
        check_classes(state, len(tensors[CLASSIFIER_BIAS]), self.classes, self.config.name)
        for key in _COUNTERS:
            setattr(self, key, state.get(key, getattr(self, key)))
        self.learned.fill(tensors)
        return True


def _mean(values: Sequence[float]) -> float:
    """Of those that are numbers."""
    numbers = [value for value in values if not np.isnan(value)]
    return float(np.mean(numbers)) if numbers else float("nan")


def load_config(folder: Path) -> TrainConfig:
    """The configuration that a run folder was started with."""
    return TrainConfig.from_dict(json.loads((folder / "config.json").read_text()))
