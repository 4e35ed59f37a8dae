"""A training run of a HyperNAS predictor in a folder: records, checkpoints, and the model at its end.

`run(config, folder, items)` goes on from the folder's newest checkpoint. With a budget in steps, a resumed
run repeats an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from service.contract.hypernas import HyperNASTraining, Schedule, steps_for
from service.errors import InvalidRequest
from service.predictors.hypernas.batch import CellBatch
from service.predictors.hypernas.checkpoint import Checkpoint, known_values, save_checkpoint
from service.predictors.hypernas.config import HyperNASConfig
from service.predictors.regressors.scores import rank_correlation, resampled_correlations
from training.data.inventory import inventory, source_fields
from training.hypernas.cells import (
    FEWEST_OBSERVATIONS,
    Floats,
    Observed,
    Readings,
    observed,
    read_observations,
)
from training.hypernas.config import HyperNASRun
from training.hypernas.trainer import HyperNASTrainer, scores
from training.job import Report, Result, TrainingJob, silent

_BOOTSTRAPS = 500
_NAMES = {"both": "HyperNAS", "accuracy": "HyperNAS-P", "weights": "HyperNAS-H"}


def train(options: HyperNASTraining, job: TrainingJob) -> Result:
    """A job of the kind `hypernas`. Raises what `run` raises."""
    schedule = {entry.name: getattr(options, entry.name) for entry in fields(Schedule)}
    if options.minutes is None and options.steps is None:
        schedule["steps"] = steps_for(len(options.observations))
    config = HyperNASRun(
        **schedule,
        model=HyperNASConfig(**vars(options.model)),
        name=job.name or "hypernas",
        data_dir=str(job.settings.data_dir),
    )
    return run(
        config, job.folder, options.observations,
        measured=options.property, cache_dir=job.settings.home / "cache", on_progress=job.report,
    )  # fmt: skip


def run(
    config: HyperNASRun,
    folder: Path,
    items: Sequence[Any],
    *,
    measured: str = "accuracy",
    cache_dir: Path | None = None,
    on_progress: Report = silent,
) -> Result:
    """Train until the budget is used and leave the model in `folder/model`. None when a signal came first:
    then the model is as it was, and not measured.

    items: observations, `{"architecture", "value"}` each; none for a model that generates weights alone.
    measured: what was observed. on_progress: gets every record of `metrics.jsonl`.

    Raises InvalidRequest for observations that do not do, InvalidInput for images that cannot be read,
    TrainingDiverged.
    """
    torch.set_num_threads(1)  # graphs of eight nodes: a second thread only spins
    readings = _readings(config, items)
    seen, kept_back = (None, None) if readings is None else _parts(config, readings)
    trainer = HyperNASTrainer(config, seen, cache_dir)
    done = trainer.run_in(folder, on_progress)
    result = {
        "steps": trainer.step,
        "minutes": round(trainer.seconds / 60, 2),
        "scores": _measure(trainer, kept_back) if done else {},
        **({} if readings is None else {"observations": _counted(readings)}),
        **({} if trainer.weight_task is None else {"inventory": inventory(trainer.weight_task.dataset)}),
    }
    _save_model(trainer, folder / "model", measured, result, readings)
    return result if done else None


def _readings(config: HyperNASRun, items: Sequence[Any]) -> Readings | None:
    """None for a model that generates weights alone."""
    if config.model.tasks != "weights":
        return read_observations(items, config.model)
    if items:
        raise InvalidRequest(
            "A model that generates weights alone learns from no observations.", field="/observations"
        )
    return None


def _parts(config: HyperNASRun, readings: Readings) -> tuple[Observed, tuple[CellBatch, Floats] | None]:
    """What is learned from, and what is kept back to measure: no network is in both."""
    count = int(config.held_out * len(readings))
    if len(readings) - count < FEWEST_OBSERVATIONS:
        count = 0
    cells, value_N = readings.batch(), readings.value_N
    order = np.random.default_rng([config.seed, 3]).permutation(len(value_N))
    learned, back = torch.from_numpy(order[count:]), torch.from_numpy(order[:count])
    seen = observed(cells[learned], value_N[learned.numpy()])
    if count < FEWEST_OBSERVATIONS:
        return seen, None
    return seen, (cells[back], value_N[back.numpy()])


def _measure(trainer: HyperNASTrainer, kept_back: tuple[CellBatch, Floats] | None) -> dict[str, Any]:
    """Scores of the trained model: Kendall's tau on what was kept back with its 90% bootstrap interval, and
    the accuracy of networks with generated weights.
    """
    measurements: dict[str, Any] = {}
    if kept_back is not None:
        cells, value_N = kept_back
        score_N = scores(trainer.hypernas, cells)
        generator = np.random.default_rng(trainer.config.seed)
        draws = generator.integers(len(value_N), size=(_BOOTSTRAPS, len(value_N)))
        taus = resampled_correlations(score_N, value_N, list(draws))
        low, high = np.quantile(taus, [0.05, 0.95])
        measurements["kendall_tau"] = rank_correlation(score_N, value_N)
        measurements["interval"] = [float(low), float(high)]
        measurements["held_out"] = len(value_N)
    if trainer.weight_task is not None:
        measurements["accuracy_of_generated"] = trainer.weight_task.accuracy(trainer.hypernas)
    return measurements


def _counted(readings: Readings) -> dict[str, int]:
    """How many observations were used, of so many networks, beside trainings that failed."""
    tally = readings.tally
    return {"used": tally.used, "networks": tally.networks, "failed": tally.failed}


def _save_model(
    trainer: HyperNASTrainer, folder: Path, measured: str, result: dict[str, Any], readings: Readings | None
) -> None:
    config, model, seen = trainer.config, trainer.config.model, trainer.observations
    value_K, score_K = (
        (np.zeros(0), np.zeros(0))
        if seen is None
        else known_values(seen.value_N, seen.target_N.double().numpy())
    )
    card = {
        "name": config.name,
        "kind": "hypernas",
        **_images(trainer),
        "description": f"{_NAMES[model.tasks]}: ranks bare {model.space} cells by {measured}."
        if seen is not None
        else f"HyperNAS-H: generates weights for {model.space} cells, to start a predictor from.",
        "training": {
            "property": measured,
            "observations": 0 if readings is None else readings.tally.used,
            **({} if readings is None else {"networks": len(readings), "failed": readings.tally.failed}),
            **({"metadata": dict(readings.tally.metadata)} if readings and readings.tally.metadata else {}),
            "steps": result["steps"],
            "minutes": result["minutes"],
            "seed": config.seed,
        },
        "scores": result["scores"],
    }
    save_checkpoint(folder, Checkpoint(trainer.hypernas, measured, value_K, score_K), card)


def _images(trainer: HyperNASTrainer) -> dict[str, Any]:
    """Of the card: the images that weights are generated for, and their classes."""
    if trainer.weight_task is None:
        return {"dataset": None, "num_classes": None}
    dataset = trainer.weight_task.dataset
    return {"dataset": dataset.name, "num_classes": len(dataset.classes), **source_fields(dataset)}
