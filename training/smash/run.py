"""A training run of a SMASH hypernetwork in a folder: records, checkpoints, and the model at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from service.predictors.smash.checkpoint import save_checkpoint
from training.data.inventory import inventory, source_fields
from training.job import Report, Result, silent
from training.loop.small_operators import small_operators
from training.smash.config import SmashRun
from training.smash.score import DESCRIPTIONS
from training.smash.trainer import SmashTrainer


def run(
    config: SmashRun,
    folder: Path,
    *,
    cache_dir: Path | None = None,
    threads: int = 0,
    on_progress: Report = silent,
) -> Result:
    """Train until the budget is used and leave the model in `folder/model`. None when a signal came first:
    then the model is as it was, and not measured. A folder that holds a run is gone on with: with a budget in
    steps as if it had not been interrupted.

    threads: the most that run networks side by side; 0 for every core.
    on_progress: gets every record of `metrics.jsonl`.

    Raises InvalidRequest for an unknown data set, InvalidInput for images that cannot be read,
    TrainingDiverged.
    """
    trainer = SmashTrainer(config, cache_dir, threads=threads)
    on_progress({"kind": "data", **inventory(trainer.dataset)})
    with small_operators():
        done = trainer.run_in(folder, on_progress)
        result = {
            "steps": trainer.step,
            "minutes": round(trainer.seconds / 60, 2),
            "scores": _measure(trainer) if done else {},
            "inventory": inventory(trainer.dataset),
        }
    save_checkpoint(folder / "model", trainer.smash, _card(trainer, result))
    return result if done else None


def lines(result: dict[str, Any]) -> list[str]:
    """What a person is told of the result."""
    scores = result["scores"]
    return [
        f"{scores['networks']} random networks with generated weights: {scores['mean']:.1f}% of "
        f"{scores['images']:,} validation images correct on average, "
        f"{scores['mean_permuted']:.1f}% with their descriptions mixed up"
    ]


def _measure(trainer: SmashTrainer) -> dict[str, Any]:
    """SMASH scores in percent of architectures drawn at random, always the same ones: their mean and their
    standard deviation, and the mean with a wrong description of each (`smash_score`).
    """
    by_description = {description: trainer.scores(description) for description in DESCRIPTIONS}
    true = by_description["true"]
    return {
        "networks": len(true),
        "images": min(trainer.config.validate_images, len(trainer.dataset.validation)),
        "mean": round(float(np.mean(true)), 2),
        "deviation": round(float(np.std(true)), 2),
        "mean_permuted": round(float(np.mean(by_description["permuted"])), 2),
        "mean_undescribed": round(float(np.mean(by_description["nothing"])), 2),
    }


def _card(trainer: SmashTrainer, result: dict[str, Any]) -> dict[str, Any]:
    config, dataset = trainer.config, trainer.dataset
    return {
        "name": config.name,
        "kind": "smash",
        "dataset": dataset.name,
        "num_classes": len(dataset.classes),
        **source_fields(dataset),
        "description": "SMASH: generates weights for memory-bank networks, to rank them by how they do.",
        "training": {
            "steps": result["steps"],
            "minutes": result["minutes"],
            "seed": config.seed,
            "image_size": config.image_size,
        },
        "scores": {"generated": result["scores"]} if result["scores"] else {},
    }
