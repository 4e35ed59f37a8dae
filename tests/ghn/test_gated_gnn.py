"""The level-batched GNN against a naive loop that follows equations 3 and 4 word by word."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from service.ghn.batch import GraphBatch
from service.ghn.config import GHNConfig
from service.ghn.gated_gnn import GatedGNN
from service.graph_io.primitives import PrimitiveGraph

WIDTH = 32


def random_graph(seed: int, num_nodes: int) -> PrimitiveGraph:
    """A random DAG in topological order; node 1 is a second source."""
    rng = np.random.default_rng(seed)
    predecessors: list[tuple[int, ...]] = [(), ()]
    for node in range(2, num_nodes):
        count = int(rng.integers(1, min(4, node) + 1))
        predecessors.append(tuple(sorted(rng.choice(node, size=count, replace=False).tolist())))
    return PrimitiveGraph(
        primitive_N=rng.integers(0, 15, num_nodes),
        shapes=(None,) * num_nodes,
        predecessors=tuple(predecessors),
        names=tuple(map(str, range(num_nodes))),
        cells=(-1,) * num_nodes,
        targets=(),
    )


def naive_gnn(gnn: GatedGNN, h: Tensor, graph: PrimitiveGraph, cutoff: int) -> Tensor:
    distance = graph.distances(cutoff).astype(int)
    relu, states = torch.relu, list(h)

    def message(mlp: torch.nn.Module, x: Tensor) -> Tensor:
        return relu(mlp.second(relu(mlp.first(x))))

    for _ in range(gnn.rounds):
        passes = ((range(len(graph)), distance), (range(len(graph) - 1, -1, -1), distance.T))
        for order, paths in passes[: len(gnn.directions)]:
            for v in order:
                m = torch.zeros(WIDTH, dtype=h.dtype)
                for u in range(len(graph)):
                    if paths[v, u] == 1:
                        m = m + message(gnn.message, states[u])
                    if paths[v, u] > 0 and gnn.message_virtual is not None:
                        # A batch has 1 / s in single precision.
                        near = float(np.reciprocal(np.float32(paths[v, u])))
                        m = m + message(gnn.message_virtual, states[u]) * near
                states[v] = gnn.gru(m[None], states[v][None])[0]
    return torch.stack(states)


@pytest.mark.parametrize(
    ("cutoff", "rounds", "propagation"),
    [(50, 1, "forward_backward"), (1, 1, "forward_backward"), (3, 2, "forward_backward"), (50, 2, "forward")],
)
def test_equals_the_naive_loop_with_gradients(cutoff: int, rounds: int, propagation: str) -> None:
    torch.manual_seed(0)
    config = GHNConfig(virtual_edge_cutoff=cutoff, rounds=rounds, propagation=propagation)
    gnn = GatedGNN(config).double()
    assert len(gnn.directions) == (1 if propagation == "forward" else 2)
    graphs = [random_graph(seed, size) for seed, size in enumerate((9, 17, 4))]
    batch = GraphBatch.from_graphs(graphs, config)
    h = torch.randn(batch.primitive_N.shape[0], WIDTH, dtype=torch.float64, requires_grad=True)
    loss_weights = torch.randn_like(h)

    fast = gnn(h, batch)
    (fast * loss_weights).sum().backward()
    fast_gradients = [h.grad.clone(), *(p.grad.clone() for p in gnn.parameters())]
    h.grad = None
    gnn.zero_grad()

    slow = torch.zeros_like(fast)
    for graph, rows in zip(graphs, batch.rows, strict=True):
        slow = slow.index_copy(0, torch.from_numpy(rows), naive_gnn(gnn, h[rows], graph, cutoff))
    (slow * loss_weights).sum().backward()
    slow_gradients = [h.grad, *(p.grad for p in gnn.parameters())]

    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-10)
    for fast_gradient, slow_gradient in zip(fast_gradients, slow_gradients, strict=True):
        torch.testing.assert_close(fast_gradient, slow_gradient, rtol=0, atol=1e-10)


def test_synchronous_equals_the_naive_sum() -> None:
    torch.manual_seed(0)
    config = GHNConfig(propagation="synchronous", rounds=2)
    gnn = GatedGNN(config)
    graph = random_graph(3, 8)
    batch = GraphBatch.from_graphs([graph], config)
    h = torch.randn(8, WIDTH)
    distance = graph.distances(50)
    state = h
    for _ in range(2):
        near = torch.relu(gnn.message.second(torch.relu(gnn.message.first(state))))
        far = torch.relu(gnn.message_virtual.second(torch.relu(gnn.message_virtual.first(state))))
        m = torch.zeros_like(state)
        for v in range(8):
            for u in range(8):
                length = int(distance[v, u]) or int(distance[u, v])
                if length:
                    m[v] += far[u] / length + (near[u] if length == 1 else 0)
        state = gnn.gru(m, state)
    result = gnn(torch.zeros_like(h).index_copy(0, torch.from_numpy(batch.rows[0]), h), batch)
    torch.testing.assert_close(result[batch.rows[0]], state, rtol=0, atol=1e-5)


def test_wide_states_and_one_node_levels_run() -> None:
    config = GHNConfig(hidden=64)
    graph = random_graph(5, 40)
    batch = GraphBatch.from_graphs([graph], config)
    out = GatedGNN(config)(torch.randn(40, 64), batch)
    assert out.shape == (40, 64)
    assert torch.isfinite(out).all()
