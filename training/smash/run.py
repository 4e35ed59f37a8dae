"""A training run of a SMASH hypernetwork in a folder: records, checkpoints, and the model at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from service.predictors.smash.checkpoint import save_checkpoint
from training.data.inventory import inventory, source_fields
from training.loop.run import Progress, train_until_done
from training.loop.run_folder import RunFolder
from training.smash.config import SmashTraining
from training.smash.score import TOLD
from training.smash.trainer import SmashTrainer


def run(
    config: SmashTraining,
    folder: Path,
    *,
    cache_dir: Path | None = None,
    on_progress: Progress = lambda record: None,
) -> dict[str, Any] | None:
    """Train until the budget is used and leave the model in `folder/model`; None when a signal came first. A
    folder that holds a run is gone on with: with a budget in steps as if it had not been interrupted.

    on_progress: gets every record of `metrics.jsonl`.

    Raises InvalidRequest for an unknown data set, InvalidInput for images that cannot be read,
    TrainingDiverged.
    """
    trainer = SmashTrainer(config, cache_dir)
    on_progress({"kind": "data", **inventory(trainer.dataset)})
    if not train_until_done(
        trainer, RunFolder(folder), config.to_dict(),
        learning_rate=config.learning_rate, log_steps=config.log_steps,
        checkpoint_minutes=config.checkpoint_minutes, on_progress=on_progress,
    ):  # fmt: skip
        return None
    result = {
        "steps": trainer.step,
        "minutes": round(trainer.seconds / 60, 2),
        "scores": _measure(trainer),
        "inventory": inventory(trainer.dataset),
    }
    save_checkpoint(folder / "model", trainer.smash, _card(trainer, result))
    return result


def _measure(trainer: SmashTrainer) -> dict[str, Any]:
    """SMASH scores in percent of architectures drawn at random, always the same ones: their mean and their
    standard deviation, and the mean with a wrong description of each (`smash_score`).
    """
    by_told = {told: trainer.scores(told) for told in TOLD}
    true = by_told["true"]
    return {
        "networks": len(true),
        "images": min(trainer.config.validate_images, len(trainer.dataset.validation)),
        "mean": round(float(np.mean(true)), 2),
        "deviation": round(float(np.std(true)), 2),
        "mean_permuted": round(float(np.mean(by_told["permuted"])), 2),
        "mean_undescribed": round(float(np.mean(by_told["nothing"])), 2),
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
        "scores": {"generated": result["scores"]},
    }
