"""A cell as a graph with its operations on nodes (HyperNAS paper, method, input).

A cell of NAS-Bench-201 has its operations on edges: each becomes a node here, and an edge leads from one to
another where the first one's target is the second one's source; an input and an output node stand at the
ends. A cell of NAS-Bench-101 is such a graph already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.errors import InvalidArchitecture
from service.graph_io.cells import nasbench101, nasbench201
from service.graph_io.read import format_of
from service.predictors.features.architectures import is_benchmark_cell

OPERATIONS = ("input", "output", "conv3x3", "conv1x1", "avg_pool", "max_pool", "skip", "none")
MAX_NODES = 8

_NAMES_201 = {
    "none": "none",
    "skip_connect": "skip",
    "nor_conv_1x1": "conv1x1",
    "nor_conv_3x3": "conv3x3",
    "avg_pool_3x3": "avg_pool",
}
_NAMES_101 = {
    nasbench101.INPUT: "input",
    nasbench101.OUTPUT: "output",
    nasbench101.CONV3X3: "conv3x3",
    nasbench101.CONV1X1: "conv1x1",
    nasbench101.MAXPOOL3X3: "max_pool",
}


@dataclass(frozen=True, slots=True)
class CellGraph:
    """operations: one a node, input first, output last, in execution order. edges: (source, target) with
    source < target.
    """

    operations: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.operations)

    def sources(self, node: int) -> list[int]:
        return [source for source, target in self.edges if target == node]


# What stands between two stages of the benchmark's network.
REDUCTIONS: Mapping[str, CellGraph] = {
    "nasbench201": CellGraph(
        ("input", "conv3x3", "conv3x3", "avg_pool", "conv1x1", "output"),
        ((0, 1), (0, 3), (1, 2), (2, 5), (3, 4), (4, 5)),
    ),
    "nasbench101": CellGraph(("input", "max_pool", "output"), ((0, 1), (1, 2))),
}


def read_cell(document: Any, space: str, *, prune: bool) -> CellGraph:
    """The cell of a benchmark cell's document, for any number of classes.

    prune: leave out what is on no path from input to output; a cell without such a path keeps its two ends.

    Raises InvalidArchitecture for other documents and for cells that cannot be read.
    """
    if format_of(document) != space or not is_benchmark_cell(document):
        raise InvalidArchitecture(
            f"This predictor knows cells of the format {space!r} alone, in the benchmark's own network.",
            field="/format",
            hint="Name another predictor, or leave it out.",
        )
    if space == "nasbench201":
        return of_nasbench201(nasbench201.parse_cell(document["cell"]), prune=prune)
    return of_nasbench101(nasbench101.parse_cell(document["matrix"], document["ops"]), prune=prune)


def of_nasbench201(cell: nasbench201.Cell, *, prune: bool) -> CellGraph:
    kept: Sequence[nasbench201.Edge] = cell
    if prune:
        live = nasbench201.live_edges(cell)
        kept = [edge for edge in cell if edge in live]
    # By target, then source: an operation stands behind all that it reads.
    ordered = sorted(kept, key=lambda edge: (edge.target, edge.source))
    last, end = nasbench201.NUM_NODES - 1, len(ordered) + 1
    edges = [(0, node) for node, edge in enumerate(ordered, start=1) if edge.source == 0]
    edges += [
        (before, after)
        for before, first in enumerate(ordered, start=1)
        for after, second in enumerate(ordered, start=1)
        if first.target == second.source
    ]
    edges += [(node, end) for node, edge in enumerate(ordered, start=1) if edge.target == last]
    names = (_NAMES_201[edge.operation] for edge in ordered)
    return CellGraph(("input", *names, "output"), tuple(sorted(edges)))


def of_nasbench101(cell: nasbench101.Cell, *, prune: bool) -> CellGraph:
    kept = nasbench101.prune(cell) if prune else cell
    if kept is None:
        return CellGraph(("input", "output"), ())
    edges = tuple((source, reader) for source in range(len(kept)) for reader in kept.readers(source))
    return CellGraph(tuple(_NAMES_101[op] for op in kept.ops), edges)
