"""Walks through cells and networks, worked out by hand and checked against listing all paths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.graph_io.cells.nasbench201 import OPERATIONS
from service.graph_io.read import read_document
from service.predictors.features.network_walks import network_operations
from service.predictors.features.structure import CellStructure, Operation, cell_structure
from service.predictors.features.walks import WALK_FEATURES, WALKS, walk_features, walks
from service.predictors.rankers.pretrained import nasbench201_features, ranker_features

# The input feeds a 3x3 convolution and the output; the convolution feeds a pool, the pool the output.
TRIANGLE = (
    Operation("I", 1.0, ()),
    Operation("3", 1.0, (0,)),
    Operation("p", 0.5, (1,)),
    Operation("O", 1.0, (2, 0)),
)


def nasbench201(operations: list[str]) -> dict[str, str]:
    a, b, c, d, e, f = operations
    return {"format": "nasbench201", "cell": f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"}


def test_walks_by_hand() -> None:
    found = dict(zip(WALKS, walks(TRIANGLE), strict=True))
    assert found["walk_mean_conv3"] == 0.5  # half of the walks go straight to the input
    assert found["walk_wide_mean_conv3"] == pytest.approx(1 / 3)  # the pool is half as wide as the input
    assert found["walk_forward_mean_pool"] == 0.5
    assert (found["walk_most_operations"], found["walk_fewest_operations"]) == (2, 0)


def test_the_spectrum_of_a_path() -> None:
    path = (Operation("I", 1.0, ()), Operation("3", 1.0, (0,)), Operation("O", 1.0, (1,)))
    found = dict(zip(WALK_FEATURES, walk_features(path), strict=True))
    assert found["connectivity"] == pytest.approx(1)
    assert found["largest_eigenvalue"] == pytest.approx(3)
    assert found["mean_degree"] == pytest.approx(4 / 3)


def on_paths(cell: CellStructure, kinds: str) -> list[int]:
    return [sum(kind in kinds for kind in path) for path in cell.paths]


# All walks of this cell have one convolution, and the sum of their shares rounds to less than one.
ROUNDING = 1e-14
ROUNDED = ["nor_conv_1x1", "avg_pool_3x3", "skip_connect", "nor_conv_3x3", "skip_connect", "skip_connect"]


@settings(max_examples=40, deadline=None)
@given(operations=st.lists(st.sampled_from(OPERATIONS), min_size=6, max_size=6))
@example(operations=ROUNDED)
def test_extremes_are_those_of_all_paths(operations: list[str]) -> None:
    cell = cell_structure(nasbench201(operations))
    found = dict(zip(WALK_FEATURES, walk_features(cell.operations), strict=True))
    assert np.isfinite(list(found.values())).all()
    for what, kinds in (("conv3", "3"), ("pool", "p"), ("convs", "31"), ("operations", "31p")):
        counts = on_paths(cell, kinds) or [0]
        assert found[f"walk_most_{what}"] == max(counts)
        assert found[f"walk_fewest_{what}"] == min(counts)
        assert min(counts) - ROUNDING <= found[f"walk_mean_{what}"] <= max(counts) + ROUNDING


@settings(max_examples=12, deadline=None)
@given(operations=st.lists(st.sampled_from(OPERATIONS), min_size=6, max_size=6))
def test_a_bare_cell_is_worth_its_network(operations: list[str]) -> None:
    document = nasbench201(operations)
    cell = cell_structure(document)
    if cell.is_connected:
        network = ranker_features(read_document(document))
        np.testing.assert_allclose(nasbench201_features(cell), network, rtol=1e-9)


def test_a_network_of_two_outputs() -> None:
    conv: dict[str, Any] = {"op": "conv", "params": {"weight": {"name": "w", "shape": [4, 3, 3, 3]}}}
    point: dict[str, Any] = {"op": "conv", "params": {"weight": {"name": "v", "shape": [4, 4, 1, 1]}}}
    nodes = [
        {"name": "x", "op": "input"},
        {**conv, "name": "a", "inputs": ["x"]},
        {**point, "name": "b", "inputs": ["a"]},
    ]
    graph = read_document(
        {"format": "graph", "input_shape": [3, 8, 8], "nodes": nodes, "outputs": ["a", "b"]}
    )
    assert [operation.kind for operation in network_operations(graph)] == ["s", "3", "1", "O"]
    found = dict(zip(WALKS, walks(network_operations(graph)), strict=True))
    assert (found["walk_mean_conv3"], found["walk_mean_conv1"]) == (1.0, 0.5)
