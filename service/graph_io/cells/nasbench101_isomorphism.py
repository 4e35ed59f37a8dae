"""Cells of NAS-Bench-101 that differ by the numbering of their vertices alone, which the benchmark counts as
one.

A vertex is told apart by how far it is from the input, what it computes, and, round after round, what it
reads and what reads it (colour refinement; the benchmark's own hash iterates over neighbourhoods in the same
way). Refinement alone could leave different cells with equal colours. So of the few numberings that it leaves
open the one with the least matrix is taken, which decides it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, permutations, product
from typing import Any

from service.graph_io.cells.nasbench101 import Cell


def canonical(cell: Cell) -> Cell:
    """The same pruned cell with its vertices in an order that does not depend on the one they came in.

    Equal for isomorphic cells, and for no others. Their networks are equal to within the vertex that gets the
    channel which cannot be shared out (`nasbench101.vertex_channels`).
    """
    return min((_renumbered(cell, order) for order in _orders(cell)), key=lambda form: form.matrix)


def _orders(cell: Cell) -> Iterator[tuple[int, ...]]:
    """The numberings by colour, in all orders of what the colours do not tell apart."""
    colours = _colours(cell)
    ranked = sorted(range(len(cell)), key=colours.__getitem__)
    alike = [tuple(group) for _, group in groupby(ranked, key=colours.__getitem__)]
    for choice in product(*map(permutations, alike)):
        yield tuple(vertex for group in choice for vertex in group)


def _colours(cell: Cell) -> list[int]:
    """A number a vertex, equal for vertices that no round tells apart.

    The longest path from the input comes first in their order, so that edges lead from lower to higher ones.
    """
    levels: list[int] = []
    for vertex in range(len(cell)):
        levels.append(max((levels[source] + 1 for source in cell.sources(vertex)), default=0))
    colours = _ranks(list(zip(levels, cell.ops, strict=True)))
    while True:
        signatures = [
            (
                colours[vertex],
                sorted(colours[source] for source in cell.sources(vertex)),
                sorted(colours[reader] for reader in cell.readers(vertex)),
            )
            for vertex in range(len(cell))
        ]
        refined = _ranks(signatures)
        if refined == colours:
            return colours
        colours = refined


def _ranks(values: list[Any]) -> list[int]:
    """The place of each among the different values in order."""
    order: list[Any] = []
    for value in sorted(values):
        if not order or value != order[-1]:
            order.append(value)
    return [order.index(value) for value in values]


def _renumbered(cell: Cell, order: tuple[int, ...]) -> Cell:
    """order: old numbers in their new order."""
    matrix = tuple(tuple(cell.matrix[source][reader] for reader in order) for source in order)
    return Cell(matrix, tuple(cell.ops[vertex] for vertex in order))
