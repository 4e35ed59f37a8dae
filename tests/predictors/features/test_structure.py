"""Structure of cells, worked out by hand and checked between the two notations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidArchitecture
from service.graph_io.cells.nasbench201 import OPERATIONS
from service.predictors.features.cells import FEATURES, cell_features
from service.predictors.features.structure import CellStructure, cell_structure


def nasbench201(*ops: str) -> CellStructure:
    a, b, c, d, e, f = ops
    return cell_structure({"format": "nasbench201", "cell": f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"})


def nasbench101(matrix: str, ops: str) -> CellStructure:
    return cell_structure({"format": "nasbench101", "matrix": matrix, "ops": ops})


def named(structure: CellStructure) -> dict[str, float]:
    return dict(zip(FEATURES, cell_features(structure), strict=True))


def test_a_nasbench201_cell_by_hand() -> None:
    # 0 -conv3-> 1 -skip-> 2 -pool-> 3; 0 -skip-> 3; 1 -conv1-> 3; 0 -none-> 2
    cell = nasbench201("nor_conv_3x3", "none", "skip_connect", "skip_connect", "nor_conv_1x1", "avg_pool_3x3")
    assert sorted(cell.paths) == [("3", "1"), ("3", "s", "p"), ("s",)]
    assert cell.live == {"3": 1, "1": 1, "p": 1, "s": 2}
    assert cell.neighbours == {
        ("I", "3"): 1,
        ("3", "1"): 1,
        ("3", "p"): 1,
        ("1", "O"): 1,
        ("p", "O"): 1,
        ("I", "O"): 1,
    }
    assert (cell.cost, cell.joined, cell.shared, cell.direct) == (10, 3, 2, True)
    features = named(cell)
    assert features["clean_paths"] == 2
    assert features["identity_paths"] == 1
    assert features["paths_with_1_conv3"] == 2
    assert features["widest_view"] == 2
    assert features["paths_from_-"] == 1


def test_a_nasbench101_cell_by_hand() -> None:
    # input -> conv3 -> pool -> output, input -> output
    cell = nasbench101("101101", "I3MO")
    assert sorted(cell.paths) == [("3", "p"), ("s",)]
    assert cell.neighbours == {("I", "3"): 1, ("3", "p"): 1, ("p", "O"): 1, ("I", "O"): 1}
    assert cell.widths == {"3": 1.0, "1": 0.0, "p": 1.0, "s": 0.0}
    # Two projections of the input and one 3x3 convolution.
    assert (cell.cost, cell.joined, cell.direct) == (1 + 9 + 1, 2, True)


def test_branches_share_the_channels() -> None:
    cell = nasbench101("110011", "I31O")
    assert cell.widths["3"] == cell.widths["1"] == 0.5
    assert cell.cost == pytest.approx(9 * 0.25 + 0.25 + 0.5 + 0.5)


@settings(max_examples=60, deadline=None)
@given(ops=st.lists(st.sampled_from(OPERATIONS), min_size=6, max_size=6))
def test_features_are_finite_and_consistent(ops: list[str]) -> None:
    cell = nasbench201(*ops)
    features = named(cell)
    assert np.isfinite(list(features.values())).all()
    for what in ("conv3", "convs", "pools"):
        assert sum(features[f"paths_with_{n}_{what}"] for n in range(7)) == len(cell.paths)
    assert sum(features[f"paths_from_{kind}"] for kind in ("3", "1", "p", "-")) == len(cell.paths)
    assert features["connected"] == bool(cell.paths)


def test_the_same_network_written_differently_has_the_same_features() -> None:
    # The skip may come before or after what it leads to; an operation into a dead end changes nothing.
    first = nasbench201("none", "none", "none", "nor_conv_3x3", "none", "none")
    dead_end = nasbench201("nor_conv_1x1", "none", "none", "nor_conv_3x3", "none", "avg_pool_3x3")
    assert cell_features(first) == cell_features(dead_end)
    pruned = nasbench101("101101", "I3MO")
    hanging = nasbench101("1011100010", "I3MMO")
    assert cell_features(pruned) == cell_features(hanging)


def test_a_cell_without_paths_has_features_too() -> None:
    for cell in (nasbench201(*["none"] * 6), nasbench101("000", "I3O")):
        assert not cell.is_connected
        assert np.isfinite(cell_features(cell)).all()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"format": "onnx"},
        {"format": "nasbench201"},
        {"format": "nasbench201", "cell": "x"},
        {"format": "nasbench101"},
    ],
)
def test_what_is_no_cell_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidArchitecture):
        cell_structure(document)
