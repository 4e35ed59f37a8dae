"""Shortest paths of DAGs against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import shortest_path

from service.graph_io.virtual_edges import shortest_paths


@st.composite
def predecessor_lists(draw: st.DrawFn) -> list[list[int]]:
    size = draw(st.integers(1, 25))
    return [
        sorted(draw(st.sets(st.integers(0, node - 1), max_size=3))) if node else [] for node in range(size)
    ]


@given(predecessors=predecessor_lists(), cutoff=st.integers(1, 8))
def test_equal_to_scipy(predecessors: list[list[int]], cutoff: int) -> None:
    size = len(predecessors)
    edge_NN = np.zeros((size, size))
    for node, sources in enumerate(predecessors):
        edge_NN[sources, node] = 1
    expected = shortest_path(edge_NN, unweighted=True).T
    expected[(expected > cutoff) | ~np.isfinite(expected)] = 0
    np.testing.assert_array_equal(shortest_paths(predecessors, cutoff), expected)


def test_long_chains_stop_at_the_cutoff() -> None:
    chain = [[node - 1] if node else [] for node in range(400)]
    distance = shortest_paths(chain, 50)
    assert distance[60, 10] == 50
    assert distance[61, 10] == 0
    assert distance.max() == 50
    assert shortest_paths(chain, 253)[399, 399 - 253] == 253


@pytest.mark.parametrize("cutoff", [0, 254, -1])
def test_cutoff_must_fit_a_byte(cutoff: int) -> None:
    with pytest.raises(ValueError, match="cutoff"):
        shortest_paths([[]], cutoff)
