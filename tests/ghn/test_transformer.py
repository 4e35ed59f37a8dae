"""GHN-3 against the second implementation of `naive_ghn3`, in float64, values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from service.ghn.batch import GraphBatch
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.ghn.predict import node_states
from service.graph_io.archgraph import Parameter
from service.graph_io.operators import Primitive
from service.graph_io.primitives import Decoding, PrimitiveGraph, Target
from tests.ghn import naive_ghn3

CONFIG = GHNConfig(
    gnn="transformer", hidden=16, layers=3, heads=4, max_channels=6, max_kernel=5, num_classes=7,
    virtual_edge_cutoff=3,
)  # fmt: skip
SHAPES = {
    Decoding.WEIGHT: [
        (9, 4, 3, 3), (6, 1, 5, 5), (2, 13, 1, 1), (4, 3, 2, 4), (5, 6, 7, 7), (3, 2, 1, 8), (8, 20),
        (4, 6, 3),
    ],
    Decoding.POSITION: [(1, 9, 8), (1, 17, 4), (1, 51, 9)],
    Decoding.CLASS_WEIGHT: [(7, 10), (4, 3), (9, 5, 1, 1)],
    Decoding.CLASS_BIAS: [(7,), (11,)],
    Decoding.BIAS: [(3,), (20,)],
    Decoding.NORM_WEIGHT: [(6,), (13,)],
    Decoding.NORM_BIAS: [(6,), (13,)],
}  # fmt: skip


def graph_of(seed: int, num_nodes: int, *, targets: bool = False) -> PrimitiveGraph:
    """A random DAG in topological order; node 1 is a second source. A chain at its end is longer than the
    cutoff.
    """
    rng = np.random.default_rng(seed)
    predecessors: list[tuple[int, ...]] = [(), ()]
    for node in range(2, num_nodes):
        latest = node - 1 if node > num_nodes - 6 else int(rng.integers(node))
        predecessors.append(
            tuple(sorted({latest, *rng.integers(0, node, 2).tolist()} if node < num_nodes - 6 else {latest}))
        )
    primitive_N = rng.integers(0, 15, num_nodes)
    primitive_N[primitive_N == Primitive.INPUT] = Primitive.SUM
    primitive_N[0] = Primitive.INPUT
    cases = [(decoding, shape) for decoding, shapes in SHAPES.items() for shape in shapes] if targets else []
    return PrimitiveGraph(
        primitive_N=primitive_N,
        shapes=tuple(
            None if rng.random() < 0.3 else tuple(rng.integers(1, 40, 4).tolist()) for _ in range(num_nodes)
        ),
        predecessors=tuple(predecessors),
        names=tuple(map(str, range(num_nodes))),
        cells=(-1,) * num_nodes,
        targets=tuple(
            Target(Parameter(f"p{index}", shape), decoding, index % num_nodes, "conv")
            for index, (decoding, shape) in enumerate(cases)
        ),
    )  # fmt: skip


def ghn_of(config: GHNConfig) -> GHN:
    torch.manual_seed(0)
    ghn = GHN(config).double()
    with torch.no_grad():
        for parameter in ghn.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return ghn


def test_states_and_their_gradients_are_those_of_the_naive_loop() -> None:
    ghn = ghn_of(CONFIG)
    graphs = [graph_of(seed, size) for seed, size in enumerate((9, 17, 4))]
    batch = GraphBatch.from_graphs(graphs, CONFIG)
    fast = ghn.embed(batch)
    factors = torch.randn_like(fast)
    wanted = [(name, p) for name, p in ghn.named_parameters() if "decoder" not in name]
    fast_gradients = torch.autograd.grad((fast * factors).sum(), [p for _, p in wanted])

    weights = dict(ghn.named_parameters())
    slow = torch.zeros_like(fast)
    for graph, rows in zip(graphs, batch.rows, strict=True):
        slow = slow.index_copy(0, torch.from_numpy(rows), naive_ghn3.states(weights, graph, CONFIG))
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-10)
    slow_gradients = torch.autograd.grad((slow * factors).sum(), [p for _, p in wanted])
    for (name, _), ours, naive in zip(wanted, fast_gradients, slow_gradients, strict=True):
        torch.testing.assert_close(ours, naive, rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("normalize", [True, False])
def test_parameters_and_their_gradients_are_those_of_whole_maps(normalize: bool) -> None:
    config = GHNConfig(**{**CONFIG.to_dict(), "normalize": normalize})
    ghn = ghn_of(config)
    graph = graph_of(5, 12, targets=True)
    batch = GraphBatch.from_graphs([graph], config)
    (fast,) = ghn.predict_tensors(batch)
    weights = dict(ghn.named_parameters())
    h_NC = ghn.embed(batch)
    slow = {t.parameter.name: naive_ghn3.value(weights, t, h_NC[t.node], config) for t in graph.targets}
    assert fast.keys() == slow.keys()
    for target in graph.targets:
        name = target.parameter.name
        torch.testing.assert_close(fast[name], slow[name], rtol=0, atol=1e-10, msg=str(target))
    factors = {name: torch.randn_like(value) for name, value in fast.items()}
    gradients = [
        torch.autograd.grad(sum((found[name] * factors[name]).sum() for name in fast), list(ghn.parameters()))
        for found in (fast, slow)
    ]
    for (name, _), ours, naive in zip(ghn.named_parameters(), *gradients, strict=True):
        torch.testing.assert_close(ours, naive, rtol=1e-9, atol=1e-9, msg=name)


def test_a_batch_gives_what_its_graphs_give_alone() -> None:
    """Graphs of unequal sizes, in both orders: published code mixes their rows up."""
    ghn = ghn_of(CONFIG).float().requires_grad_(False)
    graphs = [graph_of(seed, size) for seed, size in enumerate((40, 7, 90, 23))]
    for order in (graphs, graphs[::-1]):
        batch = GraphBatch.from_graphs(order, CONFIG)
        together = ghn.embed(batch).numpy()
        for graph, rows in zip(order, batch.rows, strict=True):
            np.testing.assert_allclose(together[rows], node_states(ghn, graph), rtol=0, atol=1e-5)


def test_only_the_inputs_place_among_the_nodes_matters_not_their_order() -> None:
    ghn = ghn_of(CONFIG).requires_grad_(False)
    graph = graph_of(3, 15)
    batch = GraphBatch.from_graphs([graph], CONFIG)
    # Node 1, a source, comes before the input.
    order = [1, 0, *range(2, 15)]
    new = {old: index for index, old in enumerate(order)}
    turned = PrimitiveGraph(
        primitive_N=graph.primitive_N[order],
        shapes=tuple(graph.shapes[old] for old in order),
        predecessors=tuple(tuple(sorted(new[s] for s in graph.predecessors[old])) for old in order),
        names=graph.names, cells=graph.cells, targets=(),
    )  # fmt: skip
    torch.testing.assert_close(
        ghn.embed(GraphBatch.from_graphs([turned], CONFIG)), ghn.embed(batch)[order], rtol=0, atol=1e-10
    )


def test_first_weights_are_small_and_predict_little() -> None:
    ghn = GHN(GHNConfig(gnn="transformer", hidden=64))
    assert ghn.gnn.from_input.weight.std().item() == pytest.approx(64**-0.5, rel=0.05)
    assert ghn.shape_encoder.channel.weight.std().item() == pytest.approx(16**-0.5, rel=0.05)
    usual = 512**-0.5 / 3**0.5  # of torch's linear layers
    assert ghn.decoder.channels.weight.std().item() == pytest.approx(usual / 5, rel=0.02)
    assert not ghn.decoder.channels.bias.any()
