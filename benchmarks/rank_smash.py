"""Does the SMASH score order networks as training does? (Brock et al. 2017, section 4.1)

    python -m benchmarks.rank_smash [--data digits] [--steps 400] [--networks 16] [--epochs 6] [--model NAME]
        [--low-capacity] [--plot figure3.svg]

Trains a hypernetwork (or takes the model of that name), then random networks of its space from scratch, and
prints correlations, with 90% intervals over networks, between their accuracy on test images and their SMASH
score, the score under both controls, and their multiply-adds. --low-capacity: also by a hypernetwork of width
8 and a single layer (experiment 2), trained as long. Ties are many where images are few, so scores are the
cross-entropy.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.score_quality import quality
from service.contract.smash import SmashOptions
from service.executor.networks import Network
from service.graph_io.cells.smash import read_smash
from service.models.catalog import find_card
from service.predictors.features.network_cost import multiply_adds
from service.predictors.smash.checkpoint import load_checkpoint
from service.predictors.smash.model import Smash
from service.predictors.smash.space import random_architecture
from training.data.dataset import Dataset, load_dataset
from training.evaluate.accuracy import network_accuracy
from training.loop.sgd import SgdRecipe, train_network
from training.smash.config import SmashRun
from training.smash.score import DESCRIPTIONS, smash_score
from training.smash.trainer import SmashTrainer

_MODEL = {"blocks": 2, "banks": 3, "layers": 3, "depth": 3}
_LOW_CAPACITY = {"hidden": 8, "depth": 1}
_DRAWS = 3  # seed of the networks, none of those that training validates on
_CALIBRATION_BATCHES = 8
_LABELS = {
    "true": "SMASH score",
    "permuted": "layers told of others",
    "nothing": "layers told nothing",
    "low capacity": "hypernetwork of low capacity",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--image-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=400, help="of the hypernetwork")
    parser.add_argument("--networks", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=6, help="of each network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", help="a trained one, instead of training")
    parser.add_argument("--low-capacity", action="store_true")
    parser.add_argument("--plot", type=Path, help="score and error after training, figure 3 of the paper")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load_dataset(options.data, data_dir=options.data_dir, image_size=options.image_size)
    smash = (
        _trained(options, _MODEL) if options.model is None else load_checkpoint(find_card(options.model).path)
    )
    small = _trained(options, {**_MODEL, **_LOW_CAPACITY}) if options.low_capacity else None
    random = np.random.default_rng(_DRAWS)
    names = ("trained", "multiply-adds", *DESCRIPTIONS, *(["low capacity"] if small else []))
    columns: dict[str, list[float]] = {name: [] for name in names}
    accuracies = []
    for number in range(options.networks):
        document = random_architecture(smash.config, random, image_size=options.image_size)
        graph = read_smash(document)
        columns["trained"].append(_accuracy_of_training(document, dataset, options.epochs))
        columns["multiply-adds"].append(float(multiply_adds(graph)))
        for way in DESCRIPTIONS:
            accuracy, loss = smash_score(
                smash, document, dataset, images=len(dataset.validation), description=way
            )
            columns[way].append(-loss)
            if way == "true":
                accuracies.append(accuracy)
        if small is not None:
            score = smash_score(small, document, dataset, images=len(dataset.validation), description="true")
            columns["low capacity"].append(-score[1])
        print(f"{number + 1} of {options.networks}: {columns['trained'][-1]:.1f}%", file=sys.stderr)
    trained_N = np.array(columns.pop("trained"))
    qualities = {name: quality(np.array(column), trained_N) for name, column in columns.items()}
    print(
        f"{options.networks} random networks on {dataset.name}: trained {trained_N.mean():.1f}% "
        f"± {trained_N.std():.1f}, with generated weights {np.mean(accuracies):.1f}%\n\n"
        "| score | Pearson R | of the best half | Kendall's tau | mean cross-entropy |\n"
        f"|{' --- |' * 5}"
    )
    for name, measured in qualities.items():
        mean = "" if name == "multiply-adds" else f"{-np.mean(columns[name]):.3f}"
        print(f"| {_LABELS.get(name, name)} | {measured.cells()} | {mean} |")
    if options.json is not None:
        taus = {name: measured.kendall.value for name, measured in qualities.items()}
        options.json.write_text(json.dumps(taus, indent=2) + "\n")
    if options.plot is not None:
        _draw(-np.array(columns["true"]), 100 - trained_N, options.plot)


def _draw(loss: Any, error: Any, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(loss, error, s=14)
    axes.set(xlabel="cross-entropy with generated weights", ylabel="error after training, %")
    figure.savefig(path)


def _trained(options: argparse.Namespace, model: dict[str, Any]) -> Smash:
    config = SmashRun(
        steps=options.steps,
        seed=options.seed,
        data=options.data,
        data_dir=None if options.data_dir is None else str(options.data_dir),
        image_size=options.image_size,
        model=SmashOptions(**model),
        validate_steps=0,
    )
    trainer = SmashTrainer(config)
    trainer.run_until_done()
    print(f"trained for {trainer.step} steps, {trainer.seconds:.0f} s", file=sys.stderr)
    return trainer.smash.requires_grad_(False)


def _accuracy_of_training(document: dict[str, object], dataset: Dataset, epochs: int) -> float:
    """Percent of test images after a short training from random initialisation."""
    graph = read_smash(document)
    params = train_network(Network(graph), dataset, SgdRecipe(epochs=epochs))
    return network_accuracy(
        graph, params, dataset, dataset.test, recalibrate=True, calibration_batches=_CALIBRATION_BATCHES
    )


if __name__ == "__main__":
    main()
