"""Random networks of a SMASH space, each trained for a short while: what a score is to foretell.

    python -m benchmarks.smash_truth --file runs/smash_truth.jsonl [--model NAME] [--data cifar10]
        [--image-size 16] [--networks 48] [--epochs 1] [--images 22400] [--trainings 2] [--part 0 --parts 2]

Each line of the file is a result, as `rank` and `predictor fit` read them, with how it came about. Networks
whose result is there are not trained again, so that a run that was interrupted goes on. The networks are the
first ones of a seed, in order, none of those that training validates on. --parts: that many processes share
the work, each with a file of its own; `benchmarks.rank_smash --truth` takes several.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from service.contract.smash import SmashOptions
from service.executor.networks import Network
from service.graph_io.cells.smash import read_smash
from service.models.catalog import find_card
from service.predictors.smash.checkpoint import load_checkpoint
from service.predictors.smash.config import SmashConfig
from service.predictors.smash.space import random_architecture
from service.settings import get_settings
from training.data.dataset import Dataset
from training.data.load import load_dataset
from training.evaluate.accuracy import network_accuracy
from training.loop.network_training import train_network
from training.loop.number_format import native_format
from training.loop.recipes import SgdRecipe

# A space small enough to train its networks one by one.
SPACE: Mapping[str, Any] = {"blocks": 2, "banks": 3, "layers": 3, "depth": 3}
DRAWS = 3  # seed of the networks
_CALIBRATION_BATCHES = 8
_RATE, _BATCH = 0.05, 64

Document = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--model", help="whose space; default: the small one of benchmarks.rank_smash")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--networks", type=int, default=48)
    parser.add_argument("--epochs", type=int, default=1, help="of each network")
    parser.add_argument("--images", type=int, help="of an epoch; all without it")
    parser.add_argument("--trainings", type=int, default=1, help="of each network, with a seed each")
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    settings = get_settings()
    dataset = load_dataset(
        options.data, data_dir=settings.data_dir, cache_dir=settings.home / "cache",
        image_size=options.image_size,
    )  # fmt: skip
    documents = random_networks(
        space_of(options.model, len(dataset.classes)), options.networks, options.image_size
    )
    mine = documents[options.part :: options.parts]
    for recipe in truth_recipes(options.trainings, options.epochs, options.images):
        train_all(mine, dataset, recipe, options.file, read_truth([options.file]))


def space_of(model: str | None, num_classes: int) -> SmashConfig:
    """Of the model of that name, else the small one."""
    if model is not None:
        return load_checkpoint(find_card(model).path).config
    return SmashConfig(**asdict(SmashOptions(**SPACE)), num_classes=num_classes)


def random_networks(space: SmashConfig, count: int, image_size: int) -> list[Document]:
    random = np.random.default_rng(DRAWS)
    return [dict(random_architecture(space, random, image_size=image_size)) for _ in range(count)]


def truth_recipes(trainings: int, epochs: int, images: int | None = None) -> list[SgdRecipe]:
    """One for each seed."""
    recipe = SgdRecipe(epochs=epochs, images=images, batch_size=_BATCH, learning_rate=_RATE)
    return [replace(recipe, seed=seed) for seed in range(trainings)]


def train_all(
    documents: Sequence[Document], dataset: Dataset, recipe: SgdRecipe, file: Path | None,
    known: Mapping[str, float],
) -> list[float]:  # fmt: skip
    """Percent of test images that each network classifies correctly after training. file: where each new one
    is added as it comes. known: `read_truth`.
    """
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    accuracies = []
    for number, document in enumerate(documents):
        key = _key(document, dataset.name, recipe)
        accuracy = known.get(key)
        if accuracy is None:
            accuracy = trained_accuracy(document, dataset, recipe)
            if file is not None:
                line = {"architecture": document, "value": accuracy, **_circumstances(dataset.name, recipe)}
                with file.open("a") as lines:
                    lines.write(json.dumps(line) + "\n")
            sys.stderr.write(f"network {number + 1} of {len(documents)}: {accuracy:.1f}%\n")
        accuracies.append(accuracy)
    return accuracies


def read_truth(files: Iterable[Path]) -> dict[str, float]:
    """Accuracies by network, data and recipe, of the files that are there."""
    known = {}
    for file in files:
        for line in file.read_text().splitlines() if file.exists() else ():
            result = json.loads(line)
            document, value = result.pop("architecture"), result.pop("value")
            known[json.dumps([document, result], sort_keys=True)] = float(value)
    return known


def _key(document: Document, data: str, recipe: SgdRecipe) -> str:
    return json.dumps([document, _circumstances(data, recipe)], sort_keys=True)


def _circumstances(data: str, recipe: SgdRecipe) -> dict[str, Any]:
    return {"data": data, "recipe": asdict(recipe)}


def trained_accuracy(document: Document, dataset: Dataset, recipe: SgdRecipe) -> float:
    graph, dtype = read_smash(document), native_format()
    params = train_network(Network(graph), dataset, recipe, dtype=dtype)
    return network_accuracy(
        graph, params, dataset, dataset.test, recalibrate=True, dtype=dtype,
        calibration_batches=_CALIBRATION_BATCHES,
    )  # fmt: skip


if __name__ == "__main__":
    main()
