"""One form for all numberings of a cell, another for every other cell."""

from __future__ import annotations

from itertools import permutations, product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.graph_io.cells.nasbench101 import (
    INPUT,
    MAX_EDGES,
    MAX_VERTICES,
    OPERATIONS,
    OUTPUT,
    Cell,
    parse_cell,
    prune,
)
from service.graph_io.cells.nasbench101_isomorphism import canonical
from service.search.space import find_space


def cells(vertices: int) -> list[Cell]:
    """Every cell of so many vertices, all of them on paths from input to output, in every numbering."""
    pairs = [(i, j) for i in range(vertices) for j in range(i + 1, vertices)]
    found = []
    for edges in product((0, 1), repeat=len(pairs)):
        if sum(edges) > MAX_EDGES:
            continue
        chosen = {pair for pair, there in zip(pairs, edges, strict=True) if there}
        matrix = tuple(tuple(int((i, j) in chosen) for j in range(vertices)) for i in range(vertices))
        for inner in product(OPERATIONS, repeat=vertices - 2):
            cell = Cell(matrix, (INPUT, *inner, OUTPUT))
            if prune(cell) != cell:
                break
            found.append(cell)
    return found


# How many different cells of so many vertices the benchmark has.
@pytest.mark.parametrize(("vertices", "different"), [(2, 1), (3, 6), (4, 84), (5, 2441)])
def test_there_are_as_many_forms_as_different_cells(vertices: int, different: int) -> None:
    assert len({canonical(cell) for cell in cells(vertices)}) == different


def test_forms_are_equal_exactly_where_a_renumbering_exists() -> None:
    """By trying all of them, of all cells of four vertices."""
    known = cells(4)
    for cell in known:
        same = {renumbered(cell, (0, *inner, 3)) for inner in permutations((1, 2))}
        alike = {other for other in known if canonical(other) == canonical(cell)}
        assert alike == same & set(known)


def renumbered(cell: Cell, order: tuple[int, ...]) -> Cell:
    matrix = tuple(tuple(cell.matrix[i][j] for j in order) for i in order)
    return Cell(matrix, tuple(cell.ops[vertex] for vertex in order))


@st.composite
def cells_and_their_renumberings(draw: st.DrawFn) -> tuple[Cell, Cell]:
    size = draw(st.integers(2, MAX_VERTICES))
    matrix = [[int(j > i and draw(st.booleans())) for j in range(size)] for i in range(size)]
    matrix[0][size - 1] = 1
    ops = [INPUT, *(draw(st.sampled_from(OPERATIONS)) for _ in range(size - 2)), OUTPUT]
    cell = prune(Cell(tuple(map(tuple, matrix)), tuple(ops)))
    assert cell is not None
    # A numbering in which edges lead from lower to higher numbers, as documents have them.
    order: list[int] = []
    left = set(range(len(cell)))
    while left:
        free = [vertex for vertex in sorted(left) if not left & set(cell.sources(vertex))]
        order.append(draw(st.sampled_from(free)))
        left.discard(order[-1])
    return cell, renumbered(cell, tuple(order))


@given(cells_and_their_renumberings())
def test_every_numbering_of_a_cell_has_one_form(pair: tuple[Cell, Cell]) -> None:
    one, other = pair
    form = canonical(one)
    assert form == canonical(other) == canonical(form)
    # It is the same cell: a cell as documents have them, with as many edges and the same operations.
    assert sorted(form.ops) == sorted(one.ops)
    assert sum(map(sum, form.matrix)) == sum(map(sum, one.matrix))
    assert all(form.matrix[i][j] == 0 for i in range(len(form)) for j in range(i + 1))
    if sum(map(sum, form.matrix)) <= MAX_EDGES:
        assert parse_cell([list(row) for row in form.matrix], list(form.ops)) == form


def test_equal_cells_are_one_query_of_a_search() -> None:
    space = find_space("nasbench101")
    ops = ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
    matrix = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    cell = {"format": "nasbench101", "matrix": matrix, "ops": ops}
    swapped = {**cell, "ops": [ops[0], ops[2], ops[1], ops[3]]}
    assert space.key(cell) == space.key(swapped)
    drawn = [space.sample(Random(seed)) for seed in range(200)]
    assert len({space.key(document) for document in drawn}) > 150
    assert space.size == 423_624
