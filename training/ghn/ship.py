"""Make a model folder of a training run, at any time: `python -m training.ghn.ship RUN_FOLDER OUT_FOLDER`.

The averaged GHN of the run's newest checkpoint is stored in float16 with a card that says how it was made.
Measured scores come from `weightcast evaluate --json`, one file a split: `--scores FILE...`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from service.ghn.checkpoint import save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.graph_io.torch_tracing.without_memory import WithoutMemory
from training.ghn.recipe import TrainConfig
from training.ghn.start import run_config
from training.ghn.trainer import load_config
from training.loop.run_folder import RunFolder, part

DESCRIPTION = (
    "{name} trained on DeepNets-like random networks; predicts the weights of image classifiers "
    "with {classes} classes."
)
NAMES = {"gated": "GHN-2", "transformer": "GHN-3", "stacked": "GHN-1", "mlp": "MLP (a GHN without edges)"}
STATISTICS = {"batch": "batch statistics", "recalibrate": "recalibrated statistics"}


def ship(run_folder: Path, out: Path, *, scores: dict[str, Any], notes: dict[str, Any]) -> None:
    """Write `out` from the newest checkpoint of a run. Raises FileNotFoundError if the run has none."""
    config = load_config(run_folder)
    checkpoint = RunFolder(run_folder).load()
    if checkpoint is None:
        raise FileNotFoundError(f"{run_folder} has no checkpoint")
    tensors, state = checkpoint
    with WithoutMemory():
        ghn = GHN(run_config(config.ghn, tensors, state))
    ghn.load_state_dict(part(tensors, "average."), strict=True, assign=True)
    card = {
        "name": out.name,
        "kind": "ghn",
        "dataset": config.data,
        "num_classes": ghn.config.num_classes,
        **_more_data(config, ghn.config),
        "description": DESCRIPTION.format(
            name=NAMES[ghn.config.gnn], classes=" or ".join(map(str, ghn.config.class_counts))
        ),
        "training": {
            "steps": state["step"],
            "minutes": round(state["seconds"] / 60, 1),
            "networks": state["networks_seen"],
            "images": state["images_seen"],
            "recipe": _recipe(config),
            **({"from": state["origin"]} if state.get("origin") else {}),
            **notes,
        },
        "scores": scores,
    }
    save_checkpoint(out, ghn, card, dtype=torch.float16)


def _more_data(config: TrainConfig, ghn: GHNConfig) -> dict[str, Any]:
    if config.also_data is None:
        return {}
    return {"also": {"dataset": config.also_data, "num_classes": ghn.more_classes[0]}}


def _recipe(config: TrainConfig) -> dict[str, Any]:
    kept = (
        "stages", "final_learning_rate", "constant_share", "warmup_steps",
        "weight_decay", "clip", "ema", "seed",
    )  # fmt: skip
    values = asdict(config)
    return {"learning_rate": config.highest_rate, **{key: values[key] for key in kept}}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make a model folder of a training run.")
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--scores", type=Path, nargs="*", default=[], help="results of `weightcast evaluate --json`"
    )
    parser.add_argument(
        "--note", action="append", default=[], metavar="KEY=VALUE", help="added to the training record"
    )
    options = parser.parse_args(arguments)
    results = [json.loads(path.read_text()) for path in options.scores]
    scores = {f"{result['split']}, {STATISTICS[result['bn']]}": result for result in results}
    notes = dict(note.split("=", 1) for note in options.note)
    ship(options.run, options.out, scores=scores, notes=notes)


if __name__ == "__main__":
    main()
