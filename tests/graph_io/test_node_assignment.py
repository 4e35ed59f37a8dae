"""Distances by nodes: counting against the Hungarian algorithm."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from service.graph_io.node_assignment import assignment_cost
from service.graph_io.primitives import PrimitiveGraph
from tests.ghn.test_gated_gnn import random_graph


def hungarian(one: PrimitiveGraph, other: PrimitiveGraph) -> float:
    """Padded to a square: a row or column more is a node without a partner."""
    size = max(len(one), len(other))
    cost = np.ones((size, size))
    cost[: len(one), : len(other)] = one.primitive_N[:, None] != other.primitive_N[None]
    return float(cost[linear_sum_assignment(cost)].sum())


def test_counting_is_the_best_assignment() -> None:
    graphs = [random_graph(seed, size) for seed, size in enumerate((4, 9, 9, 17, 30, 55))]
    for one in graphs:
        for other in graphs:
            assert assignment_cost(one, other) == hungarian(one, other)
            assert assignment_cost(one, other) == assignment_cost(other, one)
        assert assignment_cost(one, one) == 0
