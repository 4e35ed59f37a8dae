"""Small networks whose normal and reduction cells differ, trained for a short while on CIFAR-10 at 16x16.

    python -m benchmarks.darts_truth [--networks 42] [--updates 100] [--file runs/darts_truth.jsonl]

Cells of the DARTS space with two states each, in networks of five cells (normal, reduction, normal,
reduction, normal) and eight channels. Each line of the file is a result, as `rank` and `predictor fit` read
them; those that are there are not trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch

from service.executor.networks import Network
from service.graph_io.read import read_document
from service.settings import get_settings
from training.data.dataset import Dataset
from training.data.load import load_dataset
from training.evaluate.accuracy import network_accuracy
from training.loop.network_training import train_network
from training.loop.recipes import SgdRecipe

OPERATIONS = (
    "max_pool_3x3", "avg_pool_3x3", "skip_connect",
    "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
)  # fmt: skip
_STATES = 2
_BATCH, _RATE = 64, 0.1
_TEST_IMAGES = 3000
FILE = Path("runs/darts_truth.jsonl")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", type=int, default=42)
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--file", type=Path, default=FILE)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    settings = get_settings()
    dataset = load_dataset("cifar10", data_dir=settings.data_dir, cache_dir=settings.home / "cache")
    dataset = dataset.resized(16)
    options.file.parent.mkdir(parents=True, exist_ok=True)
    done = read_results(options.file) if options.file.exists() else []
    with options.file.open("a") as file:
        for index in range(len(done), options.networks):
            document = random_document(Random(f"weightcast/darts-truth/{index}"))
            accuracy = trained_accuracy(document, dataset, options.updates)
            line = {"architecture": document, "value": accuracy, "updates": options.updates}
            file.write(json.dumps(line) + "\n")
            file.flush()
            sys.stderr.write(f"network {index + 1}: {accuracy:.1f}%\n")


def random_document(random: Random) -> dict[str, Any]:
    """Two random cells, each state of two different earlier ones."""
    return {
        "format": "darts",
        "genotype": {"normal": _cell(random), "reduce": _cell(random)},
        "channels": 8,
        "cells": 5,
        "num_classes": 10,
        "image_size": 16,
    }


def _cell(random: Random) -> list[list[Any]]:
    return [
        [random.choice(OPERATIONS), state]
        for step in range(_STATES)
        for state in sorted(random.sample(range(step + 2), 2))
    ]


def trained_accuracy(document: dict[str, Any], dataset: Dataset, updates: int) -> float:
    """Percent of test images after so many updates from random weights."""
    graph = read_document(document)
    recipe = SgdRecipe(images=updates * _BATCH, batch_size=_BATCH, learning_rate=_RATE)
    params = train_network(Network(graph), dataset, recipe)
    return network_accuracy(
        graph, params, dataset, dataset.test,
        limit=_TEST_IMAGES, recalibrate=True, calibration_batches=8,
    )  # fmt: skip


def read_results(file: Path) -> list[dict[str, Any]]:
    """Raises FileNotFoundError."""
    return [json.loads(line) for line in file.read_text().splitlines()]


if __name__ == "__main__":
    main()
