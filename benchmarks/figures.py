"""The figures of `docs/how-it-works.md`, drawn from what the code does.

python -m benchmarks.figures [--model ghn2-cifar10] [--out docs/images]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot as plt

from service.ghn.registry import LoadedModel, load_model
from service.graph_io.archgraph import ArchGraph
from service.graph_io.operators import Primitive
from service.graph_io.primitives import Decoding, to_primitives
from service.graph_io.read import read_document
from service.graph_io.torch_tracer import trace_torchvision

# A small residual network: short enough to see every node.
RESIDUAL = {
    "format": "graph",
    "name": "a residual block",
    "input_shape": [3, 32, 32],
    "nodes": [
        {"name": "x", "op": "input"},
        {"name": "stem", "op": "conv", "inputs": ["x"], "attrs": {"padding": 1},
         "params": {"weight": {"name": "stem.weight", "shape": [32, 3, 3, 3]}}},
        {"name": "relu1", "op": "activation", "inputs": ["stem"], "attrs": {"kind": "relu"}},
        {"name": "conv1", "op": "conv", "inputs": ["relu1"], "attrs": {"padding": 1},
         "params": {"weight": {"name": "conv1.weight", "shape": [32, 32, 3, 3]}}},
        {"name": "bn1", "op": "batch_norm", "inputs": ["conv1"],
         "params": {"weight": {"name": "bn1.weight", "shape": [32]},
                    "bias": {"name": "bn1.bias", "shape": [32]}}},
        {"name": "relu2", "op": "activation", "inputs": ["bn1"], "attrs": {"kind": "relu"}},
        {"name": "conv2", "op": "conv", "inputs": ["relu2"], "attrs": {"padding": 1},
         "params": {"weight": {"name": "conv2.weight", "shape": [32, 32, 3, 3]}}},
        {"name": "add", "op": "add", "inputs": ["conv2", "relu1"]},
        {"name": "pool", "op": "global_avg_pool", "inputs": ["add"], "attrs": {"keepdims": False}},
        {"name": "fc", "op": "linear", "inputs": ["pool"],
         "params": {"weight": {"name": "fc.weight", "shape": [10, 32]},
                    "bias": {"name": "fc.bias", "shape": [10]}}},
    ],
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="ghn2-cifar10")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    # The same drawing gives the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "weightcast", "svg.fonttype": "none", "font.size": 9})
    model = load_model(arguments.model)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figures = {
        "graph.svg": draw_graph(read_document(RESIDUAL)),
        "tiles.png": draw_tiles(model),
        "scales.svg": draw_scales(model),
    }
    for name, figure in figures.items():
        clock = {"Date": None} if name.endswith(".svg") else {}
        figure.savefig(arguments.out / name, metadata=clock, bbox_inches="tight", dpi=110)
        print(arguments.out / name)


def draw_graph(graph: ArchGraph) -> Any:
    """The primitives of a network on a line, its edges above and the virtual edges below."""
    primitives = to_primitives(graph)
    distances = primitives.distances(50)
    count = len(primitives)
    figure, axes = plt.subplots(figsize=(8, 3.4))
    for target in range(count):
        for source in range(count):
            length = int(distances[target, source])
            if length == 1:
                _arc(axes, source, target, 0.9, "#1f5fbf", 1.4)
            elif length > 1:
                _arc(axes, source, target, -1.0, "#c9742b", 1.2 / length)
    for node in range(count):
        name = Primitive(int(primitives.primitive_N[node])).name.lower()
        axes.plot(node, 0, "o", markersize=17, color="white", markeredgecolor="#333333", zorder=3)
        axes.text(node, 0, str(node), ha="center", va="center", zorder=4)
        axes.text(node, -0.42, name, ha="center", va="top", fontsize=8, zorder=4, backgroundcolor="white")
    axes.text(-0.4, 2.2, "edges of the network", color="#1f5fbf")
    axes.text(-0.4, -2.8, "virtual edges, as strong as 1 / length", color="#c9742b")
    axes.set_ylim(-3.0, 2.6)
    axes.axis("off")
    return figure


def _arc(axes: Any, source: int, target: int, side: float, colour: str, width: float) -> None:
    angle = np.linspace(0, np.pi, 40)
    middle, radius = (source + target) / 2, (target - source) / 2
    height = side * min(2.6, 0.55 * radius + 0.25)
    axes.plot(
        middle - radius * np.cos(angle), height * np.sin(angle), color=colour, linewidth=width, zorder=1
    )


def draw_tiles(model: LoadedModel) -> Any:
    """The centre tap of a 128x128 convolution: 64x64 predicted numbers, four times."""
    document = {
        "format": "graph", "name": "one layer", "input_shape": [128, 8, 8],
        "nodes": [
            {"name": "x", "op": "input"},
            {"name": "conv", "op": "conv", "inputs": ["x"], "attrs": {"padding": 1},
             "params": {"weight": {"name": "conv.weight", "shape": [128, 128, 3, 3]}}},
            {"name": "pool", "op": "global_avg_pool", "inputs": ["conv"], "attrs": {"keepdims": False}},
            {"name": "fc", "op": "linear", "inputs": ["pool"],
             "params": {"weight": {"name": "fc.weight", "shape": [10, 128]}}},
        ],
    }  # fmt: skip
    block = model.predict(read_document(document)).blocks["conv.weight"]
    full = block.expand()[:, :, 1, 1]
    limit = float(np.abs(full).max())
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), width_ratios=(1, 2))
    left.imshow(block.scaled()[:, :, 1, 1], vmin=-limit, vmax=limit, cmap="RdBu")
    left.set_title("what the GHN decodes: 64 x 64")
    right.imshow(full, vmin=-limit, vmax=limit, cmap="RdBu")
    right.set_title("what the layer gets: 128 x 128")
    right.axhline(63.5, color="#333333", linewidth=0.8)
    right.axvline(63.5, color="#333333", linewidth=0.8)
    for axes in (left, right):
        axes.set(xlabel="input channel", ylabel="output channel", xticks=[], yticks=[])
    return figure


def draw_scales(model: LoadedModel) -> Any:
    """Standard deviation of every weight of ResNet-50 against He initialisation's."""
    graph = trace_torchvision("resnet50")
    predicted = model.predict(graph)
    kinds = {Decoding.WEIGHT: "convolutions", Decoding.CLASS_WEIGHT: "the classifier"}
    figure, axes = plt.subplots(figsize=(5, 3.6))
    for decoding, label in kinds.items():
        points = []
        for target in to_primitives(graph).targets:
            if target.decoding is decoding:
                values = predicted.blocks[target.parameter.name].expand()
                points.append((np.sqrt(2 / values[0].size), values.std()))
        he, measured = np.array(points).T
        axes.loglog(he, measured, "o", markersize=4, alpha=0.7, label=label)
    span = np.array(axes.get_xlim())
    axes.plot(span, span, color="#777777", linewidth=1, label="He initialisation")
    axes.set(xlabel="deviation of He initialisation, sqrt(2 / fan in)", ylabel="deviation of the prediction")
    for axis, ticks in ((axes.xaxis, (0.02, 0.05, 0.1, 0.2)), (axes.yaxis, (0.01, 0.03, 0.1, 0.3))):
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_ticks([], minor=True)
    axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
