"""Ranking NAS-Bench-201 cells by a hypernetwork alone (HyperNAS-H): the accuracy on validation images of each
cell's small network with generated weights, against the cell's accuracy after 200 epochs.

    python -m benchmarks.rank_hypernas_weights --model hypernas-h [--cells 400] [--images 500]
        [--observations 469 --weight-steps 4]

The model is a hypernetwork that has seen no accuracy of any cell. With --observations, HyperNAS (both tasks)
is then trained from it on so many cells, and the accuracy of its own hypernetwork stands beside that of the
hypernetwork alone after the same number of further steps on images.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import torch

from benchmarks.rank_cells import read_table, shared_table
from benchmarks.rank_hypernas import TABLE_201, read_cells, split_201
from service.contract.hypernas import steps_for
from service.graph_io.cells import nasbench201
from service.models.catalog import find_card
from service.predictors.hypernas.checkpoint import load_checkpoint
from service.predictors.hypernas.config import HyperNASConfig
from service.predictors.regressors.scores import rank_correlation
from service.settings import get_settings
from training.hypernas.cells import observed
from training.hypernas.config import HyperNASRun
from training.hypernas.trainer import HyperNASTrainer
from training.hypernas.weight_task import WeightTask

_VALIDATION = {"networks": 100, "images": 1000}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="hypernas-h")
    parser.add_argument("--cells", type=int, default=400)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--observations", type=int)
    parser.add_argument("--weight-steps", type=int, default=4, help="of the joint training: one step in N")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tau, mean = rank(options.model, options.cells, options.images)
    print(
        f"{options.cells} connected test cells, {options.images} validation images: Kendall's tau {tau:.3f}; "
        f"mean accuracy with generated weights {100 * mean:.1f}%"
    )
    if options.observations:
        joint, alone = compare(options.model, options.observations, options.weight_steps)
        print(
            f"hypernetwork trained on with {options.observations} observations: {100 * joint:.1f}%, "
            f"alone for as many steps on images: {100 * alone:.1f}% "
            f"({_VALIDATION['networks']} random networks, {_VALIDATION['images']} validation images)"
        )


def rank(model: str, cells: int, images: int) -> tuple[float, float]:
    """Tau over random connected cells of the test part, and the mean accuracy with generated weights."""
    hypernas = load_checkpoint(find_card(model).path).hypernas
    task = WeightTask(_training(), get_settings().home / "cache")
    rows = read_table(shared_table(TABLE_201))
    connected = [
        rows[number]
        for number in np.random.default_rng(0).permutation(split_201(len(rows), "test"))
        if nasbench201.live_edges(nasbench201.parse_cell(rows[number]["arch_str"]))
    ][:cells]
    documents = [{"format": "nasbench201", "cell": row["arch_str"]} for row in connected]
    accuracies = task.accuracies(hypernas, documents, images)
    values = np.array([float(row["cifar10_test_200ep"]) for row in connected])
    return rank_correlation(np.array(accuracies), values), float(np.mean(accuracies))


def compare(model: str, observations: int, weight_steps: int) -> tuple[float, float]:
    """Accuracy with generated weights after training with both tasks, and with the weights alone for as many
    of its steps.
    """
    table = read_cells("nasbench201", "test")
    chosen = np.random.default_rng(0).permutation(len(table.values))[:observations]
    seen = observed(table.pruned[torch.from_numpy(chosen)], table.values[chosen])
    cache = get_settings().home / "cache"
    steps = steps_for(observations)
    both = replace(_training(), steps=steps, weight_steps=weight_steps, from_model=model)
    alone = replace(both, steps=-(-steps // weight_steps), model=HyperNASConfig(tasks="weights"))
    results = []
    for config, cells in ((both, seen), (alone, None)):
        trainer = HyperNASTrainer(config, cells, cache)
        trainer.run_until_done()
        assert trainer.weight_task is not None
        results.append(trainer.weight_task.accuracy(trainer.hypernas.eval(), **_VALIDATION))
    return results[0], results[1]


def _training() -> HyperNASRun:
    return HyperNASRun(steps=1, data="cifar10", data_dir=str(shared_table("cifar10")))


if __name__ == "__main__":
    main()
