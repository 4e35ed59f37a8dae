"""Distances between networks, and what predicted parameters are like: tables 10 to 12 and figure 8 of the
GHN-2 paper (appendices C.2.4, C.3, B.1), as a page with plots.

    python -m benchmarks.analysis [--model ghn2-cifar10] [--train 150] [--each 40] [--write docs/analysis.md]
        [--images docs/images]

Beside the model stand a GHN of random weights, the control without which no distance means anything, and the
cost of the best assignment between nodes (the paper's Hungarian algorithm).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.representation import diversity, frechet_distance, most_frequent_shape, sparsity
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.ghn.predict import embedding
from service.ghn.registry import load_model
from service.graph_io.archgraph import ArchGraph
from service.graph_io.node_assignment import assignment_cost
from service.graph_io.primitives import PrimitiveGraph, to_primitives
from service.graph_io.read import read_document
from service.graph_io.torch_tracer import trace
from training.data.deepnets import architecture_graph
from training.data.predefined import vit_document
from training.evaluate.accuracy import predicted_parameters
from training.loop.network_training import random_parameters

Floats = NDArray[np.float64]
SPLITS = ("id-test", "wide", "deep", "dense", "bn-free")
_PAPER_10 = {"Hungarian": "118.0 | 134.0 | 207.5", "GHN-2": "1.0 | 1.3 | 3.1"}
_PAPER_11 = {
    "Hungarian": "208.7 | 199.9 | 365.6 | 340.7 | 193.1",
    "GHN-2": "0.30 | 0.80 | 1.11 | 0.59 | 3.64",
}
_LAYERS = 16
_OTHERS = "## Trained parameters"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="ghn2-cifar10")
    parser.add_argument("--train", type=int, default=150, help="training networks of table 11")
    parser.add_argument("--each", type=int, default=40, help="networks of each split, and of table 12")
    parser.add_argument("--write", type=Path, help="the page")
    parser.add_argument("--images", type=Path, help="the folder of its plots")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    models = {options.model: load_model(options.model).ghn, "random weights": GHN(GHNConfig()).eval()}
    parts = [
        f"# Analysis\n\n`python -m benchmarks.analysis --train {options.train} --each {options.each} "
        "--write docs/analysis.md --images docs/images` made this\npage, but for the last sections. The "
        "paper is Knyazev et al. 2021 (GHN-2). Its networks, model and assignment costs differ from ours, so "
        "compare orders, not values.\n",
        _four_networks(models),
        _splits(models, options.train, options.each),
        _parameters(models[options.model], options.model, options.each),
        _variances(models[options.model], options.images),
    ]
    text = "\n".join(parts)
    if options.write is not None:
        options.write.write_text(text + _others(options.write))
    sys.stdout.write(text)


def _others(page: Path) -> str:
    """What the page has from other commands: it stays."""
    written = page.read_text() if page.exists() else ""
    start = written.find(_OTHERS)
    return "" if start < 0 else "\n" + written[start:]


def _embeddings(ghn: GHN, graphs: list[PrimitiveGraph]) -> Floats:
    return np.array([embedding(ghn, graph) for graph in graphs])


def _four_networks(models: dict[str, GHN]) -> str:
    names = ("ResNet-34", "ResNet-50 without skips", "ViT")
    graphs = [to_primitives(graph) for graph in (*_resnets(), read_document(vit_document(10)))]
    costs = [assignment_cost(graphs[0], other) for other in graphs[1:]]
    rows = [f"| best assignment of nodes | {' | '.join(map(str, costs))} |"]
    for name, ghn in models.items():
        first, *others = _embeddings(ghn, graphs)
        distances = [float(np.linalg.norm(first - other)) for other in others]
        rows.append(f"| {name} | {' | '.join(f'{distance:.2f}' for distance in distances)} |")
    rows += [f"| *paper:* {name} | {values} |" for name, values in _PAPER_10.items()]
    return (
        "## Four networks\n\nThe table has distances to ResNet-50 (table 10 of the paper): Euclidean "
        "distances of embeddings, and the cost of the\nbest assignment of nodes.\n\n"
        f"| | {' | '.join(names)} |\n| --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"
    )


def _resnets() -> tuple[ArchGraph, ArchGraph, ArchGraph]:
    """ResNet-50, ResNet-34, ResNet-50 without its skip connections; for ten classes at 32x32."""
    from torch import Tensor
    from torchvision.models import resnet34, resnet50
    from torchvision.models.resnet import Bottleneck, ResNet

    class Plain(Bottleneck):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.relu(self.bn2(self.conv2(out)))
            result: Tensor = self.relu(self.bn3(self.conv3(out)))
            return result

    made = (resnet50(num_classes=10), resnet34(num_classes=10), ResNet(Plain, [3, 4, 6, 3], num_classes=10))
    first, second, third = (trace(module.eval(), input_shape=(3, 32, 32)) for module in made)
    return first, second, third


def _splits(models: dict[str, GHN], train: int, each: int) -> str:
    known = [to_primitives(architecture_graph("train", 0, index)) for index in range(train)]
    rows: dict[str, list[str]] = {"best assignment of nodes, mean": [], **{name: [] for name in models}}
    bases = {name: _embeddings(ghn, known) for name, ghn in models.items()}
    for split in SPLITS:
        graphs = [to_primitives(architecture_graph(split, 0, index)) for index in range(each)]
        costs = [assignment_cost(graph, other) for graph in graphs for other in known]
        rows["best assignment of nodes, mean"].append(f"{np.mean(costs):.1f}")
        for name, ghn in models.items():
            rows[name].append(f"{frechet_distance(bases[name], _embeddings(ghn, graphs)):.2f}")
        sys.stderr.write(f"{split} is embedded\n")
    # How large the distance is between two sets of one distribution.
    same = [to_primitives(architecture_graph("train", 1, index)) for index in range(each)]
    floor = {
        name: f"{frechet_distance(bases[name], _embeddings(ghn, same)):.2f}" for name, ghn in models.items()
    }
    lines = [f"| {name} | {floor.get(name, '')} | {' | '.join(values)} |" for name, values in rows.items()]
    lines += [f"| *paper:* {name} | | {values} |" for name, values in _PAPER_11.items()]
    return (
        f"## Splits\n\nThe table has Fréchet distances between the embeddings of {train} training networks "
        f"and of {each} networks of each split\n(table 11 of the paper, with 5,000 and with 500 or 100 "
        "networks). With few networks, every distance is larger. For\ncomparison, the first column has the "
        f"distance to {each} other training networks.\n\n"
        f"| | TRAIN | {' | '.join(split.upper() for split in SPLITS)} |\n|{' --- |' * 7}\n"
        + "\n".join(lines)
        + "\n"
    )


def _parameters(ghn: GHN, name: str, count: int) -> str:
    graphs = [architecture_graph("id-test", 0, index) for index in range(count)]
    made: dict[str, list[dict[str, Any]]] = {
        name: [_arrays(predicted_parameters(ghn, graph)) for graph in graphs],
        "random initialisation": [
            _arrays(random_parameters(graph, index)) for index, graph in enumerate(graphs)
        ],
    }
    shape = most_frequent_shape(made[name])
    rows = []
    for kind, networks in made.items():
        tensors = [value for tensors in networks for value in tensors.values() if value.shape == shape]
        values = np.stack([tensor.ravel() for tensor in tensors])
        zeros = np.mean([sparsity(next(iter(tensors.values()))) for tensors in networks])
        rows.append(f"| {kind} | {diversity(values):.2f} | {zeros:.0f}% |")
    return (
        f"## Predicted parameters\n\nThe table is about {count} networks of ID-TEST (table 12 of the paper). "
        "Diversity is the mean of 1 - \\|cosine\\| over pairs\nof tensors of the most frequent shape, "
        f"{'x'.join(map(str, shape))}. Sparsity is the share of values below 0.05 in first layers. In the "
        "paper,\nnetworks that were trained by SGD have 0.98 and 33%, and its GHN-2 has 0.17 and 39%. Our "
        "second row has untrained\nnetworks.\n\n"
        "| | diversity | sparsity |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"
    )


def _arrays(params: dict[str, torch.Tensor]) -> dict[str, Any]:
    return {name: value.numpy().astype(np.float64) for name, value in params.items()}


def _variances(ghn: GHN, folder: Path | None) -> str:
    """Of the outputs of ResNet-50's first convolutions, with and without normalisation (figure 8)."""
    plain = GHN(replace(ghn.config, normalize=False)).eval()
    plain.load_state_dict(ghn.state_dict())
    graph = _resnets()[0]
    variances = {
        "predicted": _activation_variances(predicted_parameters(ghn, graph)),
        "predicted, not normalised": _activation_variances(predicted_parameters(plain, graph)),
        "random initialisation": _activation_variances(random_parameters(graph)),
    }
    if folder is not None:
        _draw(variances, folder / "activation-variance.svg")
    rows = [
        f"| {kind} | {' | '.join(f'{values[layer]:.3g}' for layer in (0, 1, 5, 10, 15))} |"
        for kind, values in variances.items()
    ]
    return (
        "## Activations\n\nThe table has the variance of the outputs of ResNet-50's convolutions on random "
        "images (figure 8 of the paper). Batch norms\nuse the statistics of each batch. *Not normalised* "
        "means that the normalisation of predicted weights is left out.\n\n"
        "| convolution | 1 | 2 | 6 | 11 | 16 |\n| --- | --- | --- | --- | --- | --- |\n"
        + "\n".join(rows)
        + "\n\n![Variance of the outputs of ResNet-50's convolutions](images/activation-variance.svg)\n"
    )


@torch.no_grad()
def _activation_variances(params: dict[str, torch.Tensor]) -> list[float]:
    from torchvision.models import resnet50

    model = resnet50(num_classes=10).train()
    model.load_state_dict({**model.state_dict(), **params})
    variances: list[float] = []
    convolutions = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)][:_LAYERS]
    for module in convolutions:
        module.register_forward_hook(lambda _, __, output: variances.append(float(output.var())))
    model(torch.randn(32, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    return variances


def _draw(variances: dict[str, list[float]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    for kind, values in variances.items():
        axes.plot(range(1, len(values) + 1), values, marker="o", markersize=3, label=kind)
    axes.set(yscale="log", xlabel="convolution", ylabel="variance of its outputs")
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
