"""How long the features of a network take by which a fitted predictor ranks it, the graph being there.

    python -m benchmarks.feature_time [--repeats 30]

The least of the repeats, in milliseconds of one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

from service.graph_io.archgraph import ArchGraph
from service.graph_io.read import read_document
from service.predictors.features.architectures import features_of

_PAIRS = [
    ("sep_conv_3x3", 1),
    ("skip_connect", 0),
    ("sep_conv_3x3", 0),
    ("dil_conv_3x3", 1),
    ("sep_conv_5x5", 0),
    ("sep_conv_3x3", 1),
    ("avg_pool_3x3", 0),
    ("dil_conv_3x3", 1),
]
_CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
NETWORKS: dict[str, dict[str, Any]] = {
    "nats_size": {"format": "nats_size", "sizes": [8, 16, 24, 32, 40]},
    "NAS-Bench-201, the whole network": {"format": "nasbench201", "cell": _CELL, "channels": 8},
    "DARTS, 20 cells": {"format": "darts", "genotype": {"normal": _PAIRS, "reduce": _PAIRS}},
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args(argv)
    print("| network | nodes | ms |\n| --- | --- | --- |")
    for name, document in NETWORKS.items():
        graph = read_document(document)
        least = min(_milliseconds(document, graph) for _ in range(options.repeats))
        print(f"| {name} | {len(graph.nodes):,} | {least:.1f} |")


def _milliseconds(document: dict[str, Any], graph: ArchGraph) -> float:
    started = time.process_time()
    features_of(document, "network", read=lambda _: graph)
    return 1000 * (time.process_time() - started)


if __name__ == "__main__":
    main()
