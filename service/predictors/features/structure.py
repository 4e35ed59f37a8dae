"""What a cell is made of: the operations on its paths from input to output, and what they cost.

Kinds of operations, one letter each: "3" a 3x3 convolution, "1" a 1x1 convolution, "p" a pool, "s" nothing
(a skip). A cell of NAS-Bench-201 has its operations on edges, one of NAS-Bench-101 on vertices; both become
the same record here, so that one set of features (`cells.py`) serves both. What cannot matter
(`none`, dead ends) is removed first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from service.errors import InvalidArchitecture
from service.graph_io.cells import nasbench101, nasbench201

INPUT, OUTPUT = "I", "O"
CONV3, CONV1, POOL, SKIP, NONE = "3", "1", "p", "s", "n"
KINDS = (CONV3, CONV1, POOL, SKIP)

_KINDS_201 = {
    "none": NONE,
    "skip_connect": SKIP,
    "nor_conv_1x1": CONV1,
    "nor_conv_3x3": CONV3,
    "avg_pool_3x3": POOL,
}
_KINDS_101 = {nasbench101.CONV3X3: CONV3, nasbench101.CONV1X1: CONV1, nasbench101.MAXPOOL3X3: POOL}
_COST = {CONV3: 9.0, CONV1: 1.0}
# The width at which shares of channels are measured: divisible by up to five branches with hardly a
# remainder.
_WIDTH = 1024


@dataclass(frozen=True, slots=True)
class Operation:
    """kind: INPUT, OUTPUT or one of KINDS. width: its channels as a share of the cell's. sources: places of
    the operations that it reads, all before its own.
    """

    kind: str
    width: float
    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CellStructure:
    """operations: those on a path from input to output, in an order in which they can run, the input first,
    the output last; none in a cell without paths.
    paths: the kinds along every path from input to output, skips included.
    live: how many operations of each kind lie on a path.
    neighbours: how often an operation of the first kind directly feeds one of the second (INPUT and OUTPUT
        are kinds here); skips are contracted.
    widths: by kind, the channels of its operations as shares of the cell's. final_widths: of those that the
    output reads.
    cost: multiply-adds a position, in units of channels squared.
    joined, shared: edges into the output, edges out of the input. direct: whether an edge connects the two.
    vertices, edges: of what is left of the cell.
    written: how many operations of each kind the cell names, those included that change nothing: a benchmark
        that runs them measures their time.
    """

    operations: tuple[Operation, ...]
    paths: tuple[tuple[str, ...], ...]
    live: Mapping[str, int]
    neighbours: Mapping[tuple[str, str], int]
    widths: Mapping[str, float]
    final_widths: Mapping[str, float]
    cost: float
    joined: int
    shared: int
    direct: bool
    vertices: int
    edges: int
    written: Mapping[str, int]

    @property
    def is_connected(self) -> bool:
        return bool(self.paths)


def cell_structure(document: Mapping[str, Any]) -> CellStructure:
    """The structure of the cell of an architecture document. A cell whose output nothing reaches has no
    paths.

    Raises InvalidArchitecture for other formats, and for cells that cannot be read.
    """
    form = document.get("format")
    if form == "nasbench201":
        return structure_of_nasbench201(nasbench201.parse_cell(document.get("cell")))
    if form == "nasbench101":
        return structure_of_nasbench101(nasbench101.parse_cell(document.get("matrix"), document.get("ops")))
    raise InvalidArchitecture(
        f"Structure is known of nasbench201 and nasbench101 cells, not of the format {str(form)[:80]!r}.",
        field="/format",
    )


def structure_of_nasbench201(cell: nasbench201.Cell) -> CellStructure:
    live = nasbench201.live_edges(cell)
    by_source: dict[int, list[nasbench201.Edge]] = {}
    for edge in sorted(live, key=lambda edge: (edge.source, edge.target)):
        by_source.setdefault(edge.source, []).append(edge)
    last = nasbench201.NUM_NODES - 1
    routes: list[list[nasbench201.Edge]] = []
    waiting: list[list[nasbench201.Edge]] = [[edge] for edge in by_source.get(0, ())]
    while waiting:
        route = waiting.pop()
        if route[-1].target == last:
            routes.append(route)
        else:
            waiting += [[*route, edge] for edge in by_source[route[-1].target]]

    links: set[tuple[tuple[str, Any], tuple[str, Any]]] = set()
    for route in routes:
        operations = [
            (_KINDS_201[edge.operation], edge) for edge in route if edge.operation != "skip_connect"
        ]
        stops: list[tuple[str, Any]] = [(INPUT, None), *operations, (OUTPUT, None)]
        links.update(pairwise(stops))
    kinds = Counter(_KINDS_201[edge.operation] for edge in live)
    return CellStructure(
        operations=_operations_201(live),
        paths=tuple(tuple(_KINDS_201[edge.operation] for edge in route) for route in routes),
        live=kinds,
        neighbours=Counter((before[0], after[0]) for before, after in links),
        widths={kind: float(count) for kind, count in kinds.items()},
        final_widths=Counter(_KINDS_201[edge.operation] for edge in live if edge.target == last),
        cost=sum(_COST.get(kind, 0.0) * count for kind, count in kinds.items()),
        joined=sum(edge.target == last for edge in live),
        shared=len(by_source.get(0, ())),
        direct=any(edge.source == 0 and edge.target == last for edge in live),
        vertices=len({vertex for edge in live for vertex in (edge.source, edge.target)}),
        edges=len(live),
        written=Counter(_KINDS_201[edge.operation] for edge in cell),
    )


def _operations_201(live: Iterable[nasbench201.Edge]) -> tuple[Operation, ...]:
    """Edges become operations; what is summed at an edge's source is what the operation reads."""
    edges = sorted(live, key=lambda edge: (edge.source, edge.target))
    if not edges:
        return ()
    last = nasbench201.NUM_NODES - 1

    def into(node: int) -> tuple[int, ...]:
        return (0,) if node == 0 else tuple(1 + i for i, edge in enumerate(edges) if edge.target == node)

    inner = (Operation(_KINDS_201[edge.operation], 1.0, into(edge.source)) for edge in edges)
    return (Operation(INPUT, 1.0, ()), *inner, Operation(OUTPUT, 1.0, into(last)))


def structure_of_nasbench101(cell: nasbench101.Cell) -> CellStructure:
    pruned = nasbench101.prune(cell)
    if pruned is None:
        return CellStructure((), (), {}, {}, {}, {}, 0.0, 0, 0, False, 0, 0, {})
    last = len(pruned) - 1
    kinds = [INPUT, *(_KINDS_101[op] for op in pruned.ops[1:-1]), OUTPUT]
    inner = range(1, last)
    paths: list[tuple[str, ...]] = []
    waiting: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    while waiting:
        vertex, path = waiting.pop()
        for reader in pruned.readers(vertex):
            if reader == last:
                paths.append(path or (SKIP,))
            else:
                waiting.append((reader, (*path, kinds[reader])))

    width = [channels / _WIDTH for channels in nasbench101.vertex_channels(pruned, _WIDTH, _WIDTH)]
    # Edges out of the input are 1x1 convolutions of the cell's full width.
    projections = sum(width[vertex] for vertex in pruned.readers(0))
    direct = bool(pruned.matrix[0][last])
    # The benchmark itself drops what lies on no path.
    live = Counter({**Counter(kinds[1:-1]), **({SKIP: 1} if direct else {})})
    return CellStructure(
        operations=tuple(Operation(kinds[v], width[v], tuple(pruned.sources(v))) for v in range(len(pruned))),
        paths=tuple(paths),
        live=live,
        neighbours=Counter((kinds[i], kinds[j]) for i in range(last) for j in pruned.readers(i)),
        widths={kind: sum(width[v] for v in inner if kinds[v] == kind) for kind in KINDS},
        final_widths={
            kind: sum(width[v] for v in pruned.sources(last) if kinds[v] == kind) for kind in KINDS
        },
        cost=projections + sum(_COST.get(kinds[v], 0.0) * width[v] ** 2 for v in inner),
        joined=len(pruned.sources(last)),
        shared=len(pruned.readers(0)),
        direct=direct,
        vertices=len(pruned),
        edges=sum(map(sum, pruned.matrix)),
        written=live,
    )
