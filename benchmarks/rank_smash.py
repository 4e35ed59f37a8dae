"""Does the SMASH score order networks as training does? (Brock et al. 2017, section 4.1)

    python -m benchmarks.rank_smash [--data digits] [--steps 400] [--networks 16] [--epochs 6] [--model NAME]
        [--low-capacity [NAME]] [--truth FILE ...] [--trainings 2] [--plot figure3.svg]

Trains a hypernetwork (or takes the model of that name), then random networks of its space from scratch, and
prints correlations, with 90% intervals over networks, between their accuracy on test images and their SMASH
score, the score under both controls, and their multiply-adds. --low-capacity: also by a hypernetwork of width
8 and a single layer (experiment 2), trained as long, or by the model of that name. --truth: files of
`benchmarks.smash_truth`; what they have is not trained again, and what is new is added to the first one.
--trainings: of each network, whose mean is compared; of two or more, the order of the first is also compared
with that of the second, which bounds what any score can reach. Ties are many where images are few, so scores
are the cross-entropy.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.score_quality import quality
from benchmarks.smash_truth import (
    SPACE,
    Document,
    random_networks,
    read_truth,
    train_all,
    truth_recipes,
)
from service.contract.smash import SmashOptions
from service.graph_io.cells.smash import read_smash
from service.models.catalog import find_card
from service.predictors.features.network_cost import multiply_adds
from service.predictors.smash.checkpoint import load_checkpoint
from service.predictors.smash.model import Smash
from service.settings import get_settings
from training.data.dataset import Dataset
from training.data.load import load_dataset
from training.evaluate.accuracy import Scores
from training.loop.number_format import native_format
from training.smash.config import SmashRun
from training.smash.score import DESCRIPTIONS, Description, smash_score
from training.smash.trainer import SmashTrainer

_LOW_CAPACITY = {"hidden": 8, "depth": 1}
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
    parser.add_argument(
        "--low-capacity", nargs="?", const="", metavar="NAME", help="a trained one; else trained now"
    )
    parser.add_argument("--truth", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--trainings", type=int, default=1, help="of each network, with a seed each")
    parser.add_argument("--train-images", type=int, help="of an epoch of each network; all without it")
    parser.add_argument("--score-images", type=int, help="validation images of a score; all without it")
    parser.add_argument("--plot", type=Path, help="score and error after training, figure 3 of the paper")
    parser.add_argument("--json", type=Path, help="the numbers of every network")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = get_settings()
    dataset = load_dataset(
        options.data, data_dir=options.data_dir or settings.data_dir, cache_dir=settings.home / "cache",
        image_size=options.image_size,
    )  # fmt: skip
    smash = _model(options.model) or _trained(options, SPACE)
    small = None
    if options.low_capacity is not None:
        small = _model(options.low_capacity) or _trained(options, {**SPACE, **_LOW_CAPACITY})
    documents = random_networks(smash.config, options.networks, options.image_size)
    known, file = read_truth(options.truth), options.truth[0] if options.truth else None
    recipes = truth_recipes(options.trainings, options.epochs, options.train_images)
    trained_SN = np.array([train_all(documents, dataset, recipe, file, known) for recipe in recipes])
    trained_N = trained_SN.mean(axis=0)
    columns: dict[str, list[float]] = {"multiply-adds": []}
    accuracies = []
    for document in documents:
        columns["multiply-adds"].append(float(multiply_adds(read_smash(document))))
        scores: dict[str, tuple[float, float]] = {
            way: _score(smash, document, dataset, options.score_images, way) for way in DESCRIPTIONS
        }
        if small is not None:
            scores["low capacity"] = _score(small, document, dataset, options.score_images, "true")
        accuracies.append(scores["true"][0])
        for name, (_, loss) in scores.items():
            columns.setdefault(name, []).append(-loss)
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
    print()
    if len(trained_SN) > 1:
        again = quality(trained_SN[1], trained_SN[0])
        print(f"The order after another training: Kendall's tau {again.kendall}.")
    for control in DESCRIPTIONS[1:]:
        print(_against(_LABELS[control], np.array(columns["true"]) - np.array(columns[control])))
    if options.json is not None:
        numbers = {"trained": trained_N.tolist(), "accuracy": accuracies, **columns}
        taus = {name: measured.kendall.value for name, measured in qualities.items()}
        options.json.write_text(json.dumps({"kendall": taus, "networks": numbers}, indent=1) + "\n")
    if options.plot is not None:
        _draw(-np.array(columns["true"]), 100 - trained_N, options.plot)


def _against(control: str, gain_N: NDArray[np.float64]) -> str:
    """gain: how much lower each network's cross-entropy is with the right description."""
    scores = Scores(tuple(gain_N.tolist()))
    return f"Against {control}: lower for {(gain_N > 0).sum()} of {len(gain_N)} networks, by {scores:.4f}"


def _draw(loss: Any, error: Any, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(loss, error, s=14)
    axes.set(xlabel="cross-entropy with generated weights", ylabel="error after training, %")
    figure.savefig(path)


def _trained(options: argparse.Namespace, model: Mapping[str, Any]) -> Smash:
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


def _model(name: str | None) -> Smash | None:
    return load_checkpoint(find_card(name).path) if name else None


def _score(
    smash: Smash, document: Document, dataset: Dataset, images: int | None, description: Description
) -> tuple[float, float]:
    return smash_score(
        smash, document, dataset, images=images or len(dataset.validation), description=description,
        dtype=native_format(),
    )  # fmt: skip


if __name__ == "__main__":
    main()
