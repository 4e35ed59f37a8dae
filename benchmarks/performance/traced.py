"""Ranking traced networks: what a line of a list with a whole graph in it takes, with predictors that look at
different things.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.performance.clock import processor_seconds
from benchmarks.performance.tables import table
from service.graph_io.json_writer import graph_document
from service.graph_io.read import read_document
from service.graph_io.short_texts import parse_line
from service.graph_io.torch_tracer import trace_torchvision
from service.predictors.rankers.ranking import Candidate, find_ranker, rank
from training.data.deepnets import architecture_graph

# Lines of the list that is spoken of; so many are not measured.
_LIST = 10_000
_DEEPNETS = 60
_TORCHVISION = (
    "resnet18 resnet50 mobilenet_v2 mobilenet_v3_small efficientnet_b0 regnet_y_400mf shufflenet_v2_x1_0 "
    "densenet121 vgg11_bn squeezenet1_0"
).split()
# What each looks at.
_PREDICTORS = {
    "structure": "cost",
    "ranker": "cost and walks",
    "deepnets-accuracy": "cost, walks, operators and an embedding",
}


def report(repeats: int) -> str:
    """Markdown. The minutes are for a list of 10,000, on one core."""
    rows = []
    for name, lines in (("DeepNets", list(_deepnets())), ("torchvision", list(_torchvision()))):
        size = sum(map(len, lines)) / len(lines)
        for predictor, sees in _PREDICTORS.items():
            seconds = _seconds(lines, predictor, repeats) / len(lines)
            rows.append(
                (name, f"{size / 1e3:.0f} kB", predictor, sees, f"{1e3 * seconds:.1f}",
                 f"{seconds * _LIST / 60:.1f}")
            )  # fmt: skip
    head = ("networks", "a line", "predictor", "looks at", "ms a network", f"minutes for {_LIST:,}")
    return table(head, rows)


def _seconds(lines: list[bytes], predictor: str, repeats: int) -> float:
    """Of reading and ranking all lines."""
    ranker = find_ranker(predictor, None, read=read_document)

    def work() -> None:
        rank((Candidate(index, parse_line(line)) for index, line in enumerate(lines)), ranker)

    return processor_seconds(work, repeats)


def _deepnets() -> Iterator[bytes]:
    for index in range(_DEEPNETS):
        yield json.dumps(graph_document(architecture_graph("train", 0, index))).encode()


def _torchvision() -> Iterator[bytes]:
    for name in _TORCHVISION:
        yield json.dumps(graph_document(trace_torchvision(name))).encode()
