"""Messages as matrices and as packed blocks are the same messages."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from service.ghn import messages
from service.ghn.batch import GraphBatch
from service.ghn.config import GHNConfig
from service.ghn.gated_gnn import GatedGNN
from service.graph_io.primitives import PrimitiveGraph, to_primitives
from service.graph_io.read import read_document


def graphs() -> list[PrimitiveGraph]:
    nodes = [["sep_conv_3x3", 0], ["skip_connect", 1]], [["dil_conv_5x5", 2], ["max_pool_3x3", 0]]
    edges = [edge for pair in nodes for edge in pair]
    genotype = {"normal": edges, "normal_concat": [2, 3], "reduce": edges, "reduce_concat": [2, 3]}
    darts = {"format": "darts", "genotype": genotype, "cells": 5}
    cell = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    cells = {"format": "nasbench201", "cell": cell, "cells_per_stage": 3}
    return [to_primitives(read_document(document)) for document in (darts, cells)]


def both(
    chosen: list[PrimitiveGraph], config: GHNConfig, monkeypatch: pytest.MonkeyPatch
) -> tuple[GraphBatch, GraphBatch]:
    batches = []
    for most_rows in (10**6, 0):
        monkeypatch.setattr(messages, "_MOST_DENSE_ROWS", most_rows)
        batches.append(GraphBatch.from_graphs(chosen, config))
    dense, packed = batches
    assert dense.edges.before.ndim == 3 and packed.edges.before.ndim == 1
    return dense, packed


@pytest.mark.parametrize("cutoff", [1, 3, 50])
@pytest.mark.parametrize("count", [1, 2])
def test_equal_blocks_and_node_states(count: int, cutoff: int, monkeypatch: pytest.MonkeyPatch) -> None:
    config = GHNConfig(virtual_edge_cutoff=cutoff)
    dense, packed = both(graphs()[:count], config, monkeypatch)
    for one, other in (
        (dense.edges.blocks_before(dense.edges.before), packed.edges.blocks_before(packed.edges.before)),
        (dense.edges.blocks_behind(dense.edges.behind), packed.edges.blocks_behind(packed.edges.behind)),
    ):
        for (level, parts), (same_level, same_parts) in zip(one, other, strict=True):
            assert level[:4] == same_level[:4]
            assert len(parts) == len(same_parts) == dense.edges.kinds
            assert all(torch.equal(part, same) for part, same in zip(parts, same_parts, strict=True))
    for kind in range(dense.edges.kinds):
        assert torch.equal(dense.edges.matrix(kind), packed.edges.matrix(kind))

    torch.manual_seed(0)
    gnn = GatedGNN(config)
    states, gradients = [], []
    for batch in (dense, packed):
        h = torch.linspace(-1, 1, len(batch.primitive_N) * config.hidden).view(-1, config.hidden)
        h.requires_grad_()
        state = gnn(h, batch)
        state.square().sum().backward()
        states.append(state.detach().numpy().tobytes())
        gradients.append(h.grad.numpy().tobytes())
    assert states[0] == states[1]
    assert gradients[0] == gradients[1]


def test_the_rows_of_a_level_hear_from_its_window_alone() -> None:
    (graph, _) = graphs()
    batch = GraphBatch.from_graphs([graph], GHNConfig())
    matrix = batch.edges.matrix(1).numpy()
    row = batch.rows[0]
    distance = graph.distances(50).astype(np.float32)
    expected = np.zeros_like(matrix)
    expected[np.ix_(row, row)] = np.divide(1, distance, out=np.zeros_like(distance), where=distance > 0)
    np.testing.assert_array_equal(matrix, expected)
