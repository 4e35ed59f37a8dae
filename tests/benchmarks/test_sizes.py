"""Bins of networks by size, and distances of parameters."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.accuracy_by_size import bins
from benchmarks.trained_parameters import distance


def test_bins_end_where_the_next_begins() -> None:
    points = [(4, 1.0), (7, 2.0), (8, 3.0), (40, 4.0)]
    assert bins(points, (4, 8, 12)) == [
        ("4 to 7", (1.0, 2.0)), ("8 to 11", (3.0,)), ("12 and more", (4.0,)),
    ]  # fmt: skip


def test_distance_is_of_weights_alone_whatever_their_sign_and_size() -> None:
    one = {"weight": np.array([[1.0, 0.0], [0.0, 0.0]]), "bias": np.array([1.0, 0.0])}
    other = {"weight": np.array([[-1.0, 1.0], [0.0, 0.0]]), "bias": np.array([0.0, 1.0])}
    assert distance([one], [{**one, "weight": -3 * one["weight"]}]) == 0
    assert distance([one], [other]) == pytest.approx(1 - 1 / np.sqrt(2))
