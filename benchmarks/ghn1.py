"""Tables 3 and 4 and figures 5 and 6 of the GHN-1 paper, small: do accuracies with generated weights order
blocks of its space as training does?

    python -m benchmarks.ghn1 [--variants NAME ...] [--data digits] [--steps 120] [--networks 30] [--epochs 1]
        [--folder runs/ghn1] [--plot FILE.svg]

Trains a GHN a variant on random blocks of seven states, as the paper does, then scores blocks of 17, and
prints Pearson's R and Kendall's tau with their accuracy after training, over all and over the better half,
with 90% intervals over the networks. What is in the folder is not done again. --plot draws figure 6."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cheap_scores import BATCH, ghn_scores, scores_after_steps
from benchmarks.score_quality import quality
from service.executor.networks import Network
from service.graph_io.archgraph import ArchGraph
from service.predictors.features.network_cost import multiply_adds
from training.data.dataset import Dataset
from training.data.deepnets import Bounds
from training.data.load import load_dataset
from training.data.spaces import SpaceNetworks
from training.evaluate.accuracy import network_accuracy
from training.ghn.recipe import Stage, TrainConfig
from training.loop.network_training import train_network
from training.loop.recipes import SgdRecipe

_SMALL = {"channels": 8, "blocks": 3}
_IMAGE_SIZE = 8
_CALIBRATION_BATCHES = 8
# GHN-1's T = 5 and seven states. Its perceptron is slow to learn without GHN-2's normalisation.
_GHN: dict[str, Any] = {
    "gnn": "stacked", "rounds": 5, "virtual_edge_cutoff": 1, "decoder": "mlp",
    "max_channels": 32, "max_kernel": 7, "most_cells": 5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Variant:
    """ghn: what differs from `_GHN`. states: of the blocks that it is trained on. paper: R over all and over
    the best half."""

    title: str
    ghn: Mapping[str, Any] = field(default_factory=dict)
    states: int = 7
    paper: str = ""


VARIANTS = {
    "stacked": Variant("stacked, shared and passed on; N = 7, T = 5", paper="0.68, 0.48"),
    "passed": Variant("passed on, not shared", {"share_cells": False}, paper="0.44, 0.37"),
    "alone": Variant("neither", {"share_cells": False, "pass_embedding": False}, paper="0.24, 0.15"),
    "branches": Variant("stacked, a branch for each operation", {"decoder": "branches"}, paper="0.68, 0.48"),
    "n17": Variant("N = 17", states=17),
    "t1": Variant("T = 1", {"rounds": 1}),
    "t3": Variant("T = 3", {"rounds": 3}),
    "synchronous-1": Variant("T = 1, synchronous", {"propagation": "synchronous", "rounds": 1}),
    "synchronous-3": Variant("T = 3, synchronous", {"propagation": "synchronous", "rounds": 3}),
    "synchronous": Variant("T = 5, synchronous", {"propagation": "synchronous"}),
    "ghn2": Variant("GHN-2", {"gnn": "gated", "rounds": 1, "virtual_edge_cutoff": 50, "decoder": "conv"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variants", nargs="*", choices=tuple(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--steps", type=int, default=120, help="of each GHN")
    parser.add_argument("--networks", type=int, default=30, help="blocks that are trained and scored")
    parser.add_argument("--epochs", type=int, default=1, help="of each network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("runs/ghn1"))
    parser.add_argument("--plot", type=Path, help="accuracy generated and trained, of the first variant")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load_dataset(options.data, data_dir=options.data_dir, image_size=_IMAGE_SIZE)
    networks = SpaceNetworks(space="ghn1", fields=_SMALL)
    bounds = Bounds(image_size=_IMAGE_SIZE)
    graphs = [
        networks.graph("test", 0, index, num_classes=len(dataset.classes), bounds=bounds)
        for index in range(options.networks)
    ]
    folder = options.folder / f"{options.data}-{options.steps}-steps-seed-{options.seed}"
    truth = _column(options.folder / f"{options.data}-{options.epochs}-epochs.json", graphs, dataset, options)
    lines = [
        _line("multiply-adds", np.array([float(multiply_adds(graph)) for graph in graphs]), truth),
        *(
            _line(
                f"SGD, {steps} steps",
                scores_after_steps(folder.parent, steps, graphs, dataset).scores,
                truth,
            )
            for steps in (5, 10)
        ),
    ]
    for name in options.variants:
        column = ghn_scores(_config(name, options), folder / name, graphs, dataset)
        score, seconds = column.scores, column.before
        note = (
            f"{score.mean():.1f}% generated, {seconds:.0f} s of training; paper {VARIANTS[name].paper or '-'}"
        )
        lines.append(_line(f"{VARIANTS[name].title}", score, truth, note))
        if options.plot is not None and name == options.variants[0]:
            _draw(score, truth, options.plot)
    print(
        f"{len(graphs)} blocks of 17 states on {dataset.name} at {_IMAGE_SIZE}x{_IMAGE_SIZE}, trained for "
        f"{options.epochs} epochs: {truth.mean():.1f}% ± {truth.std():.1f}; {options.steps} steps of each "
        "GHN\n\n| score | Pearson R | of the best half | Kendall's tau | |\n| --- | --- | --- | --- | --- |"
    )
    print("\n".join(lines))


def _line(title: str, score: Any, truth: Any, note: str = "") -> str:
    return f"| {title} | {quality(score, truth).cells()} | {note} |"


def _column(path: Path, graphs: list[ArchGraph], dataset: Dataset, options: argparse.Namespace) -> Any:
    """Accuracy on test images after training, percent; kept, so that a run can go on after a stop."""
    known: list[float] = json.loads(path.read_text()) if path.exists() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, graph in enumerate(graphs[len(known) :], start=len(known) + 1):
        recipe = SgdRecipe(epochs=options.epochs, batch_size=BATCH)
        params = train_network(Network(graph), dataset, recipe)
        known.append(
            network_accuracy(
                graph, params, dataset, dataset.test,
                recalibrate=True, calibration_batches=_CALIBRATION_BATCHES,
            )
        )  # fmt: skip
        path.write_text(json.dumps(known))
        print(f"trained {number} of {len(graphs)}: {known[-1]:.1f}%", file=sys.stderr)
    return np.array(known[: len(graphs)])


def _config(name: str, options: argparse.Namespace) -> TrainConfig:
    variant = VARIANTS[name]
    return TrainConfig(
        name=name,
        data=options.data,
        data_dir=None if options.data_dir is None else str(options.data_dir),
        steps=options.steps,
        seed=options.seed,
        space="ghn1",
        network={**_SMALL, "states": variant.states},
        ghn={**_GHN, **variant.ghn},
        stages=(Stage(image_size=_IMAGE_SIZE, meta_batch=4, images=32),),
        warmup_steps=15,
        threads=1,
        validate_networks=0,
        validate_minutes=1e6,
    )


def _draw(score: Any, truth: Any, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(score, truth, s=14)
    axes.set(xlabel="accuracy with generated weights, %", ylabel="accuracy after training, %")
    figure.savefig(path)


if __name__ == "__main__":
    main()
