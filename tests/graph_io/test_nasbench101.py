"""NAS-Bench-101 cells: parameter counts against the benchmark's table, channels against its rules."""

from __future__ import annotations

import csv
import gzip
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidArchitecture, LimitExceeded
from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.nasbench101 import Cell, parse_cell, prune, read_nasbench101, vertex_channels
from service.graph_io.digest import graph_digest
from service.graph_io.primitives import to_primitives

# Upper triangle, operations, trainable parameters: from the table of the benchmark (Ying et al. 2019,
# Apache-2.0).
PUBLISHED = [
    ("111", "I1O", 2_793_866),
    ("100101", "I3MO", 10_177_674),
    ("100101", "IM3O", 10_177_674),
    ("100101101110011", "I33MMO", 2_668_205),
    ("101000100001000101101", "I3MM11O", 3_729_162),
    ("110010110000010100101", "I31333O", 40_848_010),
]


def expand(matrix: Any, ops: Any, **options: Any) -> ArchGraph:
    return read_nasbench101({"format": "nasbench101", "matrix": matrix, "ops": ops, **options})


@pytest.mark.parametrize(("matrix", "ops", "parameters"), PUBLISHED)
def test_the_networks_have_their_published_size(matrix: str, ops: str, parameters: int) -> None:
    graph = expand(matrix, ops)
    assert graph.num_parameters == parameters
    assert not graph.unattached
    assert len(to_primitives(graph).targets) == len(list(graph.parameters()))


def test_both_notations_are_the_same_network() -> None:
    rows = [[0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    names = ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
    assert graph_digest(expand(rows, names)) == graph_digest(expand("110101", "I3MO"))


def test_vertices_that_do_not_matter_are_removed() -> None:
    # Vertex 2 leads nowhere; vertex 3 comes from nowhere.
    matrix = [[0, 1, 1, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    assert expand(matrix, "I3M1O") == expand("101", "I3O")


def test_the_shape_of_the_network() -> None:
    graph = expand("110101", "I3MO", name="net")
    assert graph.name == "net"
    assert {node.cell for node in graph.nodes} == {None, *range(9)}
    halvings = [node for node in graph.nodes if node.op == "max_pool" and node.attrs["stride"] == 2]
    assert len(halvings) == 2
    names = [parameter.name for parameter in graph.parameters()]
    assert names[0] == "layers.0.conv_bn_relu.0.weight"
    assert "layers.1.vertex_op.1.conv3x3.conv_bn_relu.0.weight" in names
    assert names[-2:] == ["classifier.weight", "classifier.bias"]
    assert list(graph.parameters())[-2].shape == (10, 512)


def test_an_edge_from_input_to_output_is_added_after_joining() -> None:
    graph = expand("111111", "I3MO")
    last_cell = [node for node in graph.nodes if node.cell == 8]
    assert [node.op for node in last_cell][-1] == "add"
    assert sum(node.op == "concat" for node in last_cell) == 1
    only = expand("1", "IO")
    assert sum(node.op == "conv" for node in only.nodes) == 1 + 9


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    size = draw(st.integers(2, 7))
    pairs = [(i, j) for i in range(size) for j in range(i + 1, size)]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=9, unique=True))
    matrix = [[int((i, j) in chosen) for j in range(size)] for i in range(size)]
    ops = [
        "input",
        *draw(
            st.lists(st.sampled_from(["conv3x3-bn-relu", "maxpool3x3"]), min_size=size - 2, max_size=size - 2)
        ),
        "output",
    ]
    return parse_cell(matrix, ops)


@settings(max_examples=200, deadline=None)
@given(cell=cells(), width=st.integers(7, 64))
def test_channels_follow_the_rules(cell: Cell, width: int) -> None:
    pruned = prune(cell)
    if pruned is None:
        return
    channels = vertex_channels(pruned, 3, width)
    last = len(pruned) - 1
    inner = range(1, last)
    assert all(channels[vertex] > 0 for vertex in inner)
    final = [channels[vertex] for vertex in pruned.sources(last) if vertex != 0]
    assert not final or sum(final) == width
    assert not final or max(final) - min(final) <= 1
    # Whoever reads a vertex has no more channels than it: at most the extra one is dropped.
    for vertex in inner:
        for reader in pruned.readers(vertex):
            assert reader == last or 0 <= channels[vertex] - channels[reader] <= 1


@settings(max_examples=40, deadline=None)
@given(cell=cells())
def test_every_connected_cell_is_a_network(cell: Cell) -> None:
    document = {
        "matrix": [list(row) for row in cell.matrix],
        "ops": list(cell.ops),
        "channels": 16,
        "modules": 1,
    }
    if prune(cell) is None:
        with pytest.raises(InvalidArchitecture, match="not a network"):
            read_nasbench101(document)
    else:
        assert read_nasbench101(document).num_parameters > 0


ROWS = [[0, 1, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"matrix": [[0, 1, 0], [1, 0, 1], [0, 0, 0]]}, "/matrix/1/0"),
        ({"matrix": [[0, 2, 0], [0, 0, 1], [0, 0, 0]]}, "/matrix/0/1"),
        ({"matrix": [[0, True, 0], [0, 0, 1], [0, 0, 0]]}, "/matrix/0/1"),
        ({"matrix": [[0, 1], [0, 0, 1], [0, 0, 0]]}, "/matrix/0"),
        ({"matrix": [[0, 1], [0, 0]]}, "/matrix"),
        ({"matrix": "1011"}, "/matrix"),
        ({"matrix": "1x1"}, "/matrix"),
        ({"matrix": "100"}, "/matrix"),
        ({"matrix": "111111111111111", "ops": "I3333O"}, "/matrix"),
        ({"matrix": 7}, "/matrix"),
        ({"ops": ["input", "conv5x5", "output"]}, "/ops/1"),
        ({"ops": ["input", "input", "output"]}, "/ops/1"),
        ({"ops": ["conv3x3-bn-relu", "input", "output"]}, "/ops"),
        ({"ops": "I"}, "/ops"),
        ({"ops": "IXO"}, "/ops"),
        ({"channels": 3}, "/channels"),
        ({"stacks": 0}, "/stacks"),
        ({"image_size": 3}, "/image_size"),
        ({"op": []}, "/op"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        expand(**{"matrix": ROWS, "ops": "I3O", **change})
    assert caught.value.extra["field"] == field


def test_limits_hold() -> None:
    for change in ({"matrix": [[0] * 8] * 8, "ops": "I333333O"}, {"channels": 4096, "modules": 100}):
        with pytest.raises(LimitExceeded):
            expand(**{"matrix": ROWS, "ops": "I3O", **change})


SHARED = os.environ.get("WEIGHTCAST_SHARED_DIR")


@pytest.mark.skipif(SHARED is None, reason="WEIGHTCAST_SHARED_DIR is unset")
def test_parameter_counts_equal_the_table_of_the_benchmark() -> None:
    table = Path(SHARED or "") / "data" / "nasbench101" / "nasbench101_subset.csv.gz"
    with gzip.open(table, "rt") as file:
        rows = list(csv.DictReader(file))
    for row in random.Random(0).sample(rows, 1000):
        assert expand(row["adj_upper"], row["ops"]).num_parameters == int(row["trainable_parameters"]), row
