"""What a GHN's embeddings and predictions are measured by, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.representation import diversity, frechet_distance, most_frequent_shape, sparsity


def test_frechet_distance_of_gaussians() -> None:
    random = np.random.default_rng(0)
    one = random.normal(size=(200_000, 3)) * [1.0, 2.0, 0.5]
    other = random.normal(size=(200_000, 3)) * [2.0, 2.0, 1.0] + [1.0, 0.0, -2.0]
    # Diagonal covariances: the squares of the differences of means and of deviations.
    assert frechet_distance(one, other) == pytest.approx(1 + 4 + 1 + 0 + 0.25, abs=0.05)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)


def test_diversity_is_0_for_multiples_and_1_for_what_is_orthogonal() -> None:
    assert diversity(np.array([[1.0, 2.0], [-2.0, -4.0], [0.5, 1.0]])) == pytest.approx(0)
    assert diversity(np.eye(5)) == pytest.approx(1)
    pair = np.array([[1.0, 0.0], [1.0, 1.0]])
    assert diversity(pair) == pytest.approx(1 - np.sqrt(0.5))


def test_shapes_and_sparsity() -> None:
    first = {"a": np.zeros((4, 1, 3, 3)), "b": np.zeros((8, 8, 1, 1)), "c": np.zeros(8)}
    second = {"a": np.zeros((4, 1, 3, 3)), "b": np.zeros((8, 1, 5, 5)), "d": np.zeros((8, 8, 1, 1))}
    assert most_frequent_shape([first, second]) == (4, 1, 3, 3)
    assert sparsity(np.array([0.0, 0.04, -0.04, 0.05, 1.0, -1.0, 2.0, 3.0])) == 37.5
