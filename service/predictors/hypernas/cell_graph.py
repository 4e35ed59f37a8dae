"""A cell as a graph with its operations on nodes (HyperNAS paper, method, input).

A cell of NAS-Bench-201 has its operations on edges: each becomes a node here, and an edge leads from one to
another where the first one's target is the second one's source; an input and an output node stand at the
ends. A cell of NAS-Bench-101 is such a graph already. A DARTS genotype has two cells, and so two graphs: the
normal cell, and the reduction cell between the stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service.errors import InvalidArchitecture
from service.graph_io.cells import nasbench101, nasbench201
from service.graph_io.cells.darts_document import OPERATIONS as DARTS_OPERATIONS
from service.graph_io.cells.darts_document import Genotype, parse_document
from service.graph_io.read import format_of
from service.predictors.features.architectures import is_benchmark_cell


@dataclass(frozen=True, slots=True)
class Layout:
    """Of the cells of a space: the operations of nodes, in the order of their numbers; the most nodes of a
    cell; whether every architecture has a reduction cell of its own.
    """

    operations: tuple[str, ...]
    most_nodes: int
    own_reduction: bool = False


_BENCHMARKS = Layout(("input", "output", "conv3x3", "conv1x1", "avg_pool", "max_pool", "skip", "none"), 8)
MOST_DARTS_STATES = 8
# Two inputs, two operations a state, the output.
_DARTS = Layout(("previous", "input", "output", *DARTS_OPERATIONS), 3 + 2 * MOST_DARTS_STATES, True)
LAYOUTS: Mapping[str, Layout] = {"nasbench201": _BENCHMARKS, "nasbench101": _BENCHMARKS, "darts": _DARTS}

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
    """operations: one a node, inputs first, output last, in execution order. edges: (source, target) with
    source < target. reduction: the architecture's own reduction cell, where its space has them.
    """

    operations: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    reduction: CellGraph | None = None

    def __len__(self) -> int:
        return len(self.operations)

    def sources(self, node: int) -> list[int]:
        return [source for source, target in self.edges if target == node]


# What stands between two stages of a benchmark's network.
REDUCTIONS: Mapping[str, CellGraph] = {
    "nasbench201": CellGraph(
        ("input", "conv3x3", "conv3x3", "avg_pool", "conv1x1", "output"),
        ((0, 1), (0, 3), (1, 2), (2, 5), (3, 4), (4, 5)),
    ),
    "nasbench101": CellGraph(("input", "max_pool", "output"), ((0, 1), (1, 2))),
}


def read_cell(document: Any, space: str, *, prune: bool) -> CellGraph:
    """The cell of a benchmark cell's document, for any number of classes; both cells of a DARTS genotype,
    whatever the size of its network.

    prune: leave out what is on no path from input to output; a cell without such a path keeps its ends.

    Raises InvalidArchitecture for other documents and for cells that cannot be read.
    """
    if format_of(document) == space == "darts":
        return of_genotype(parse_document(document).genotype, prune=prune)
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


def of_genotype(genotype: Genotype, *, prune: bool) -> CellGraph:
    """The normal cell, with the reduction cell beside it. Raises InvalidArchitecture for cells with more
    states than MOST_DARTS_STATES.
    """
    reduction = _darts_cell(genotype.reduce, genotype.reduce_concat, prune=prune)
    return replace(_darts_cell(genotype.normal, genotype.normal_concat, prune=prune), reduction=reduction)


def _darts_cell(pairs: Sequence[tuple[str, int]], concat: Sequence[int], *, prune: bool) -> CellGraph:
    """An operation on an edge becomes a node; it leads to those that read the state that it adds to."""
    if len(pairs) > 2 * MOST_DARTS_STATES:
        raise InvalidArchitecture(
            f"This predictor knows cells of at most {MOST_DARTS_STATES} states; one has {len(pairs) // 2}.",
            field="/genotype",
            hint="Name another predictor, or leave it out.",
        )
    # Node of an operation: behind the two inputs. Its state: two operations make one.
    nodes = {node: (*pair, node // 2 + 1) for node, pair in enumerate(pairs, start=2)}
    end = len(pairs) + 2
    edges = {(source, node) for node, (_, source, _) in nodes.items() if source < 2}
    edges |= {
        (first, second)
        for first, (_, _, state) in nodes.items()
        for second, (_, source, _) in nodes.items()
        if state == source
    }
    edges |= {(node, end) for node, (_, _, state) in nodes.items() if state in concat}
    names = ["previous", "input", *(operation for operation, _, _ in nodes.values()), "output"]
    if not prune:
        return CellGraph(tuple(names), tuple(sorted(edges)))
    nothing = {node for node, (operation, _, _) in nodes.items() if operation == "none"}
    edges = {edge for edge in edges if not nothing.intersection(edge)}
    fed = _reachable({0, 1}, edges)
    used = _reachable({end}, {(target, source) for source, target in edges})
    kept = sorted({0, 1, end} | (fed & used))
    number = {node: place for place, node in enumerate(kept)}
    live = sorted((number[a], number[b]) for a, b in edges if a in number and b in number)
    return CellGraph(tuple(names[node] for node in kept), tuple(live))


def _reachable(start: set[int], edges: set[tuple[int, int]]) -> set[int]:
    seen = set(start)
    while new := {target for source, target in edges if source in seen} - seen:
        seen |= new
    return seen
