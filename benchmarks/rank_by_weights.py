"""Table 3 of the GHN-1 paper on NAS-Bench-201, whose truth is tabulated: what does a score by generated
weights say of a cell's accuracy after 200 epochs, and at which cost?

    python -m benchmarks.rank_by_weights [--cells 40] [--ghn-steps 300] [--shared-steps 600] [--sgd 10 100
    200]
        [--folder runs/rank_by_weights]

A GHN trained on the space's own cells, weights that all cells share (one-shot), SGD for a few steps, and
multiply-adds, on CIFAR-10 at 16x16 and networks of 8 channels and one cell a stage. What is in the folder is
not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.cheap_scores import Column, Floats, ghn_scores, scores_after_steps, shared_scores
from benchmarks.rank_cells import part, read_table, shared_table
from benchmarks.score_quality import quality
from service.errors import InvalidArchitecture
from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.nasbench201 import read_nasbench201
from service.predictors.features.network_cost import multiply_adds
from training.data.deepnets import Bounds
from training.data.load import load_dataset
from training.data.spaces import SpaceNetworks
from training.ghn.recipe import Stage, TrainConfig

_SMALL = {"channels": 8, "cells_per_stage": 1}
_SIZE = 16
_PAPER = {
    "GHN of these cells": "0.68, 0.48", "shared weights": "0.58, 0.31", "SGD, 10 steps": "0.26, -0.05",
    "SGD, 100 steps": "0.59, 0.06", "SGD, 200 steps": "0.62, 0.20",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, default=shared_table("nasbench201/nasbench201.csv.gz"))
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir", type=Path, default=shared_table("cifar10"))
    parser.add_argument("--cells", type=int, default=40)
    parser.add_argument("--ghn-steps", type=int, default=300, help="of two networks each")
    parser.add_argument("--shared-steps", type=int, default=600, help="of one network each")
    parser.add_argument("--sgd", type=int, nargs="*", default=[10, 100, 200])
    parser.add_argument("--folder", type=Path, default=Path("runs/rank_by_weights"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load_dataset(options.data, data_dir=options.data_dir, image_size=_SIZE)
    graphs, truth = _cells(options.table, options.cells)
    networks = SpaceNetworks(space="nasbench201", fields=_SMALL)
    bounds = Bounds(image_size=_SIZE)
    training = [
        networks.graph("train", 0, index, num_classes=len(dataset.classes), bounds=bounds)
        for index in range(options.shared_steps)
    ]
    config = TrainConfig(
        name="cells", data=options.data, data_dir=str(options.data_dir), steps=options.ghn_steps,
        space="nasbench201", network=_SMALL, ghn={"max_channels": 32, "max_kernel": 3},
        stages=(Stage(image_size=_SIZE, meta_batch=2, images=64),), warmup_steps=20, threads=1,
        validate_networks=0, validate_minutes=1e6,
    )  # fmt: skip
    counted = np.array([float(multiply_adds(graph)) for graph in graphs])
    columns = {
        "multiply-adds": Column(counted, 0.0, 0.0),
        "GHN of these cells": ghn_scores(config, options.folder / "ghn", graphs, dataset),
        "shared weights": shared_scores(options.folder, training, graphs, dataset),
        **{
            f"SGD, {steps} steps": scores_after_steps(options.folder, steps, graphs, dataset)
            for steps in options.sgd
        },
    }
    print(
        f"NAS-Bench-201, {len(graphs)} cells, {dataset.name} at {_SIZE}x{_SIZE}; truth: accuracy on CIFAR-10 "
        "after 200 epochs\n\n| score | Pearson R | of the best half | Kendall's tau | paper, R | s before | "
        f"s a network |\n|{' --- |' * 7}"
    )
    for title, column in columns.items():
        cells = quality(column.scores, truth).cells()
        seconds = f"{column.before:.0f} | {column.each:.2f}"
        print(f"| {title} | {cells} | {_PAPER.get(title, '')} | {seconds} |")


def _cells(table: Path, count: int) -> tuple[list[ArchGraph], Floats]:
    """Random cells of the test part that are networks, small, and the accuracies of the full ones."""
    rows, graphs, truth = read_table(table), list[ArchGraph](), list[float]()
    for number in np.random.default_rng(0).permutation(part(len(rows), validation=False)):
        document = {"cell": rows[number]["arch_str"], "image_size": _SIZE, **_SMALL}
        try:
            graphs.append(read_nasbench201(document))
        except InvalidArchitecture:
            continue
        truth.append(float(rows[number]["cifar10_test_200ep"]))
        if len(graphs) == count:
            break
    return graphs, np.array(truth)


if __name__ == "__main__":
    main()
