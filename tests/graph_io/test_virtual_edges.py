"""Shortest paths of DAGs against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import shortest_path

from service.graph_io.virtual_edges import near_paths, shortest_paths


@st.composite
def predecessor_lists(draw: st.DrawFn) -> list[list[int]]:
    """Half of the nodes follow the one before them, as in chains of layers."""
    size = draw(st.integers(1, 25))
    lists: list[list[int]] = [[]]
    for node in range(1, size):
        others = st.sets(st.integers(0, node - 1), max_size=3).map(sorted)
        lists.append(draw(st.one_of(st.just([node - 1]), others)))
    return lists


@given(predecessors=predecessor_lists(), cutoff=st.integers(1, 8))
def test_equal_to_scipy(predecessors: list[list[int]], cutoff: int) -> None:
    size = len(predecessors)
    edge_NN = np.zeros((size, size))
    for node, sources in enumerate(predecessors):
        edge_NN[sources, node] = 1
    expected = shortest_path(edge_NN, unweighted=True).T
    expected[(expected > cutoff) | ~np.isfinite(expected)] = 0
    np.testing.assert_array_equal(shortest_paths(predecessors, cutoff), expected)
    target, origin, length = near_paths(predecessors, cutoff)
    listed_NN = np.zeros((size, size))
    listed_NN[target, origin] = length
    np.testing.assert_array_equal(listed_NN, expected)
    assert len(target) == np.count_nonzero(expected)


def test_long_chains_stop_at_the_cutoff() -> None:
    chain = [[node - 1] if node else [] for node in range(400)]
    distance = shortest_paths(chain, 50)
    assert distance[60, 10] == 50
    assert distance[61, 10] == 0
    assert distance.max() == 50
    assert shortest_paths(chain, 253)[399, 399 - 253] == 253


@pytest.mark.parametrize("cutoff", [0, 254, -1])
def test_cutoff_must_fit_a_byte(cutoff: int) -> None:
    for paths in (shortest_paths, near_paths):
        with pytest.raises(ValueError, match="cutoff"):
            paths([[]], cutoff)
