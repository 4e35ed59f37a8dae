"""What networks that were trained by SGD have for parameters, beside predicted ones: table 12 of the GHN-2
paper, small.

    python -m benchmarks.trained_parameters [--networks 12] [--updates 100] [--folder runs/trained_parameters]

Networks of DeepNets-1M's space that are cheap at 16x16, each trained on CIFAR-10 from random initialisation.
Trained parameters are kept in the folder; those that are there are not trained again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from benchmarks.representation import Floats, diversity, most_frequent_shape, sparsity
from service.executor.networks import Network
from service.ghn.registry import load_model
from service.graph_io.archgraph import ArchGraph
from service.settings import get_settings
from training.data.dataset import Dataset
from training.data.deepnets import Bounds, architecture_graph
from training.data.load import load_dataset
from training.evaluate.accuracy import network_accuracy, predicted_parameters
from training.loop.network_training import random_parameters, train_network
from training.loop.recipes import SgdRecipe

SIZE = 16
BOUNDS = Bounds(cost=12, image_size=SIZE, most_channels=32)
# No training has networks of this seed.
SEED = 1_000_000
_BATCH, _RATE, _TEST_IMAGES = 64, 0.05, 1000
Parameters = dict[str, torch.Tensor]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="ghn2-cifar10")
    parser.add_argument("--networks", type=int, default=12)
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("runs/trained_parameters"))
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    settings = get_settings()
    dataset = load_dataset("cifar10", data_dir=settings.data_dir, cache_dir=settings.home / "cache")
    dataset = dataset.resized(SIZE)
    graphs = [architecture_graph("train", SEED, index, bounds=BOUNDS) for index in range(options.networks)]
    ghn = load_model(options.model).ghn
    kinds = {
        options.model: [predicted_parameters(ghn, graph) for graph in graphs],
        "random initialisation": [random_parameters(graph) for graph in graphs],
        f"after {options.updates} updates of SGD": [
            _trained(graph, dataset, options.updates, options.folder / f"{index}.safetensors")
            for index, graph in enumerate(graphs)
        ],
    }
    print(_table(kinds, graphs, dataset))


def _trained(graph: ArchGraph, dataset: Dataset, updates: int, file: Path) -> Parameters:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        recipe = SgdRecipe(images=updates * _BATCH, batch_size=_BATCH, learning_rate=_RATE)
        save_file(dict(train_network(Network(graph), dataset, recipe)), file)
    params: Parameters = load_file(file)
    return params


def _table(kinds: dict[str, list[Parameters]], graphs: list[ArchGraph], dataset: Dataset) -> str:
    arrays = {kind: [_arrays(params) for params in networks] for kind, networks in kinds.items()}
    start, trained = arrays["random initialisation"], list(arrays.values())[-1]
    shape = most_frequent_shape(trained)
    rows = []
    for kind, networks in arrays.items():
        tensors = [value for params in networks for value in params.values() if value.shape == shape]
        zeros = np.mean([sparsity(next(iter(params.values()))) for params in networks])
        accuracies = [
            network_accuracy(graph, params, dataset, dataset.test, limit=_TEST_IMAGES)
            for graph, params in zip(graphs, kinds[kind], strict=True)
        ]
        rows.append(
            f"| {kind} | {diversity(np.stack([tensor.ravel() for tensor in tensors])):.2f} | {zeros:.0f}% "
            f"| {distance(networks, trained):.2f} | {distance(networks, start):.2f} "
            f"| {np.mean(accuracies):.1f} |"
        )
    count = sum(value.shape == shape for params in trained for value in params.values())
    return (
        f"{len(graphs)} networks, {count} tensors of the most frequent shape, {'x'.join(map(str, shape))}\n\n"
        "| parameters | diversity | sparsity of first layers | distance to trained | distance to their start "
        "| accuracy |\n| --- | --- | --- | --- | --- | --- |\n" + "\n".join(rows)
    )


def distance(one: Sequence[dict[str, Floats]], other: Sequence[dict[str, Floats]]) -> float:
    """Mean of 1 - |cosine| over the weights of two or more axes, each with the same one of the other set."""
    distances = [
        1 - abs(float(values.ravel() @ second[name].ravel())) / norms
        for first, second in zip(one, other, strict=True)
        for name, values in first.items()
        if sum(size > 1 for size in values.shape) >= 2
        and (norms := float(np.linalg.norm(values) * np.linalg.norm(second[name]))) > 0
    ]
    return max(0.0, float(np.mean(distances)))  # rounding alone is below zero


def _arrays(params: Parameters) -> dict[str, Any]:
    return {name: value.detach().numpy().astype(np.float64) for name, value in params.items()}


if __name__ == "__main__":
    main()
