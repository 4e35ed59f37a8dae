"""The cells of NAS-Bench-201 (Dong and Yang 2020) and NAS-Bench-101 (Ying et al. 2019) as search spaces."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

from service.contract.fields import Document
from service.graph_io.cells import nasbench101, nasbench201
from service.graph_io.cells.nasbench101_isomorphism import canonical

# Every edge of a NAS-Bench-201 cell, in the order of its text.
_EDGES_201 = tuple((source, target) for target in range(1, nasbench201.NUM_NODES) for source in range(target))
# How many different cells NAS-Bench-101 has, by vertices.
_CELLS_101 = {2: 1, 3: 6, 4: 84, 5: 2441, 6: 62_010, 7: 359_082}
_EDGE_PROBABILITY = 0.4


class NASBench201Space:
    """All 15,625 cells, those without a path from input to output included: the benchmark has them too."""

    name: str = "nasbench201"
    size: int | None = len(nasbench201.OPERATIONS) ** len(_EDGES_201)

    def sample(self, random: Random) -> Document:
        return _document_201(
            tuple(
                nasbench201.Edge(source, target, random.choice(nasbench201.OPERATIONS))
                for source, target in _EDGES_201
            )
        )

    def mutate(self, document: Document, random: Random) -> Document:
        """Another operation on one edge."""
        cell = list(nasbench201.parse_cell(document["cell"]))
        place = random.randrange(len(cell))
        others = [operation for operation in nasbench201.OPERATIONS if operation != cell[place].operation]
        cell[place] = replace(cell[place], operation=random.choice(others))
        return _document_201(tuple(cell))

    def key(self, document: Document) -> str:
        return str(document["cell"])


def _document_201(cell: nasbench201.Cell) -> Document:
    return {"format": "nasbench201", "cell": nasbench201.cell_text(cell)}


class NASBench101Space:
    """Cells of up to seven vertices and nine edges: 423,624 different ones, most of them in many forms."""

    name: str = "nasbench101"
    size: int | None = sum(_CELLS_101.values())

    def sample(self, random: Random) -> Document:
        """So many vertices as the different cells have, all of them between input and output."""
        size = random.choices(list(_CELLS_101), list(_CELLS_101.values()))[0]
        ops = [random.choice(nasbench101.OPERATIONS) for _ in range(size - 2)]
        while True:
            matrix = [
                [int(j > i and random.random() < _EDGE_PROBABILITY) for j in range(size)] for i in range(size)
            ]
            if _is_cell_101(matrix) and _all_live_101(matrix):
                return _document_101(matrix, [nasbench101.INPUT, *ops, nasbench101.OUTPUT])

    def mutate(self, document: Document, random: Random) -> Document:
        """One edge more or less, which may cut vertices off, or another operation at one vertex."""
        ops: list[str] = list(document["ops"])
        size = len(ops)
        edges = [(i, j) for i in range(size) for j in range(i + 1, size)]
        while True:
            matrix = [list(row) for row in document["matrix"]]
            place = random.randrange(len(edges) + size - 2)
            if place < len(edges):
                i, j = edges[place]
                matrix[i][j] = 1 - matrix[i][j]
                if _is_cell_101(matrix):
                    return _document_101(matrix, ops)
            else:
                vertex = 1 + place - len(edges)
                others = [operation for operation in nasbench101.OPERATIONS if operation != ops[vertex]]
                return _document_101(matrix, [*ops[:vertex], random.choice(others), *ops[vertex + 1 :]])

    def key(self, document: Document) -> str:
        """Of the pruned cell, whatever the numbers of its vertices: what lies on no path makes no
        difference.
        """
        pruned = nasbench101.prune(nasbench101.parse_cell(document["matrix"], document["ops"]))
        if pruned is None:
            return json.dumps(None)
        cell = canonical(pruned)
        return json.dumps([cell.matrix, cell.ops])


def _is_cell_101(matrix: list[list[int]]) -> bool:
    if sum(map(sum, matrix)) > nasbench101.MAX_EDGES:
        return False
    reached = {0}
    for vertex in range(1, len(matrix)):
        if any(matrix[source][vertex] for source in reached):
            reached.add(vertex)
    return len(matrix) - 1 in reached


def _all_live_101(matrix: list[list[int]]) -> bool:
    """Every vertex but the output feeds one, every vertex but the input is fed."""
    last = len(matrix) - 1
    return all(any(matrix[i]) for i in range(last)) and all(
        any(matrix[i][j] for i in range(j)) for j in range(1, last + 1)
    )


def _document_101(matrix: list[list[int]], ops: list[str]) -> Document:
    return {"format": "nasbench101", "matrix": matrix, "ops": ops}
