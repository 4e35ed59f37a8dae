"""Ranking NAS-Bench-201 cells by how their networks do with weights that a GHN predicts, untrained.

    python -m benchmarks.rank_predicted_weights [--model ghn2-cifar10] [--cells 100] [--images 512] [--json
        FILE]

Kendall's tau with CIFAR-10 test accuracy (200 epochs) over random connected cells of the test part
(`rank_cells.py`); scores are the accuracy and the cross-entropy on validation images.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.rank_cells import part, read_table, shared_table
from service.predictors.features.structure import cell_structure
from service.predictors.regressors.scores import rank_correlation
from training.data.load import load_dataset
from training.evaluate.ranker import PredictedWeightsRanker


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", type=Path, default=shared_table("nasbench201/nasbench201.csv.gz"))
    parser.add_argument("--data-dir", type=Path, default=shared_table("cifar10"))
    parser.add_argument("--model", default="ghn2-cifar10")
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = read_table(arguments.table)
    ranker = PredictedWeightsRanker(
        arguments.model, load_dataset("cifar10", data_dir=arguments.data_dir), images=arguments.images
    )
    measured, values, costs = [], [], []
    for number in np.random.default_rng(0).permutation(part(len(rows), validation=False)):
        document = {"format": "nasbench201", "cell": rows[number]["arch_str"]}
        cell = cell_structure(document)
        if cell.is_connected:
            measured.append(ranker.features(document))
            values.append(float(rows[number]["cifar10_test_200ep"]))
            costs.append(cell.cost)
            print(f"{len(values)} of {arguments.cells}: {measured[-1]}", file=sys.stderr)
        if len(values) == arguments.cells:
            break
    result_N2, value_N = np.array(measured), np.array(values)
    taus = {
        "accuracy with predicted weights": rank_correlation(result_N2[:, 0], value_N),
        "minus cross-entropy with predicted weights": rank_correlation(-result_N2[:, 1], value_N),
        "multiply-adds alone": rank_correlation(np.array(costs), value_N),
    }
    print(
        f"NAS-Bench-201, {len(values)} cells, {arguments.images} validation images, {arguments.model}: mean "
        f"accuracy {result_N2[:, 0].mean():.1f}%\n\n| score | Kendall's tau |\n| --- | --- |"
    )
    for name, tau in taus.items():
        print(f"| {name} | {tau:.3f} |")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(taus, indent=2) + "\n")


if __name__ == "__main__":
    main()
