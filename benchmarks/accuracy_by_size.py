"""Accuracy with predicted weights by width, depth and number of nodes: figure 10 of the GHN-2 paper.

    python -m benchmarks.accuracy_by_size [--model ghn2-cifar10] [-n 24] [--limit-images 256]
        [--file runs/accuracy_by_size.jsonl] [--plot docs/images/accuracy-by-size.svg]

Networks of ID-TEST and DEEP (depth, nodes), of ID-TEST and WIDE (width), and of BN-FREE. Each is measured
once: those in the file are not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from service.ghn.registry import load_model
from service.graph_io.read import read_document
from service.settings import get_settings
from training.data.deepnets import architecture
from training.data.load import load_dataset
from training.evaluate.accuracy import Scores, evaluate_networks
from training.loop.number_format import native_format, native_format_name

# What the training networks of the paper, and ours, have at most.
_TRAINED = {"channels": 128, "cells": 18}
# Panel -> what it counts, the splits that it is about, and where its bins begin.
PANELS: dict[str, tuple[str, tuple[str, ...], tuple[int, ...]]] = {
    "width, channels of the first cell": ("channels", ("id-test", "wide"), (32, 64, 96, 128, 256)),
    "depth, cells": ("cells", ("id-test", "deep"), (4, 8, 12, 16, 19, 26)),
    "nodes": ("nodes", ("id-test", "deep"), (0, 100, 200, 300, 500)),
    "depth without batch norm, cells": ("cells", ("bn-free",), (4, 8, 12, 16)),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="ghn2-cifar10")
    parser.add_argument(
        "-n", "--count", type=int, default=24, help="of id-test; a twelfth of wide, half of deep and bn-free"
    )
    parser.add_argument("--limit-images", type=int, default=256)
    parser.add_argument("--file", type=Path, default=Path("runs/accuracy_by_size.jsonl"))
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    counts = {
        "id-test": options.count, "deep": options.count // 2, "bn-free": options.count // 2,
        "wide": max(1, options.count // 12),
    }  # fmt: skip
    rows = _measured(options, counts)
    print(
        f"{options.model}, {options.limit_images} test images of CIFAR-10 a network, "
        f"in {native_format_name()}; "
        f"{', '.join(f'{count} networks of {split}' for split, count in counts.items())}\n"
    )
    for panel, (field, splits, starts) in PANELS.items():
        print(_table(panel, _points(rows, field, splits), starts))
    if options.plot is not None:
        _draw(rows, options.plot)


def _measured(options: argparse.Namespace, counts: dict[str, int]) -> list[dict[str, Any]]:
    """What the file has, completed."""
    options.file.parent.mkdir(parents=True, exist_ok=True)
    lines = options.file.read_text().splitlines() if options.file.exists() else []
    rows = [json.loads(line) for line in lines]
    done = {(row["split"], row["index"]) for row in rows}
    settings = get_settings()
    dataset = load_dataset("cifar10", data_dir=settings.data_dir, cache_dir=settings.home / "cache")
    ghn = load_model(options.model).ghn
    with options.file.open("a") as file:
        for split, count in counts.items():
            for index in range(count):
                if (split, index) in done:
                    continue
                document = architecture(split, 0, index)
                graph = replace(read_document(document), unattached=())
                scores = evaluate_networks(
                    ghn, [graph], dataset, dataset.test, limit=options.limit_images, dtype=native_format()
                )
                row = {
                    "split": split, "index": index, "channels": document["channels"],
                    "cells": document["cells"], "nodes": len(graph.nodes),
                    "accuracy": scores.accuracies[0],
                }  # fmt: skip
                rows.append(row)
                file.write(json.dumps(row) + "\n")
                file.flush()
                sys.stderr.write(f"{split} {index}: {row['accuracy']:.1f}%\n")
    drawn = {(split, index) for split, count in counts.items() for index in range(count)}
    return [row for row in rows if (row["split"], row["index"]) in drawn]


def _points(rows: list[dict[str, Any]], field: str, splits: tuple[str, ...]) -> list[tuple[float, float]]:
    return [(row[field], row["accuracy"]) for row in rows if row["split"] in splits]


def bins(points: Sequence[tuple[float, float]], starts: Sequence[int]) -> list[tuple[str, tuple[float, ...]]]:
    """Values by the bin of their place: a bin ends before the next begins, the last does not end."""
    ends = [*starts[1:], float("inf")]
    names = [f"{start} to {end - 1}" for start, end in pairwise(starts)]
    return [
        (name, tuple(value for at, value in points if start <= at < end))
        for name, start, end in zip([*names, f"{starts[-1]} and more"], starts, ends, strict=True)
    ]


def _table(panel: str, points: list[tuple[float, float]], starts: tuple[int, ...]) -> str:
    parts = [(name, values) for name, values in bins(points, starts) if values]
    cells = [f"{Scores(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}" for _, values in parts]
    return (
        f"| {panel} | {' | '.join(name for name, _ in parts)} |\n|{' --- |' * (1 + len(parts))}\n"
        f"| networks | {' | '.join(str(len(values)) for _, values in parts)} |\n"
        f"| accuracy | {' | '.join(cells)} |\n"
    )


def _draw(rows: list[dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.6), layout="constrained")
    for axes, (panel, (field, splits, starts)) in zip(figure.subplots(1, 4), PANELS.items(), strict=True):
        points = _points(rows, field, splits)
        axes.scatter([at for at, _ in points], [value for _, value in points], s=8, alpha=0.5)
        means = [
            (start, np.mean(values), Scores(values).standard_error)
            for start, (_, values) in zip(starts, bins(points, starts), strict=True)
            if len(values) > 1
        ]
        axes.errorbar(*zip(*means, strict=True), fmt="o-", color="C3", markersize=4)
        if field in _TRAINED:
            axes.axvline(_TRAINED[field], color="C2", linestyle=":")
        axes.set(xlabel=panel, xscale="log" if field == "channels" else "linear")
    figure.axes[0].set_ylabel("accuracy, %")
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
