"""The stacked GHN against a loop over modules, nodes and neighbours, one graph at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from service.ghn.batch import GraphBatch
from service.ghn.chain import modules_of
from service.ghn.checkpoint import load_checkpoint, save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.gated_gnn import GatedGNN
from service.ghn.mlp_decoder import MLPDecoder
from service.ghn.model import GHN
from service.ghn.stacked_gnn import StackedGNN
from service.graph_io.cells.darts import read_darts
from service.graph_io.primitives import PrimitiveGraph, to_primitives
from tests.ghn.test_gated_gnn import WIDTH, random_graph


def chain_graph(seed: int, sizes: tuple[int, ...]) -> PrimitiveGraph:
    """Random cells of so many nodes, each of which reads the last node of the one before; -1 outside of
    cells.
    """
    predecessors: list[tuple[int, ...]] = []
    cells: list[int] = []
    for cell, size in enumerate(sizes):
        first = len(predecessors)
        part = random_graph(seed + cell, size)
        predecessors += [tuple(first + source for source in sources) for sources in part.predecessors]
        if first:
            predecessors[first] = (first - 1,)
        cells += [cell if 0 < cell < len(sizes) - 1 else -1] * size
    whole = random_graph(seed, len(cells))
    return replace(whole, predecessors=tuple(predecessors), cells=tuple(cells))


def naive(gnn: StackedGNN, h: Tensor, graph: PrimitiveGraph) -> Tensor:
    numbers, states = modules_of(graph), list(h)
    embedding = torch.zeros(WIDTH, dtype=h.dtype)

    def message(part: GatedGNN, x: Tensor) -> Tensor:
        return torch.relu(part.message.second(torch.relu(part.message.first(x))))

    for number in range(max(numbers) + 1):
        part = gnn.modules_gnn[min(number, len(gnn.modules_gnn) - 1)]
        nodes = [node for node in range(len(graph)) if numbers[node] == number]
        sources = {v: [u for u in graph.predecessors[v] if u in nodes] for v in nodes}
        if number and gnn.passes:
            told = message(part, embedding)
            for v in nodes:
                if not sources[v]:
                    states[v] = part.gru(told[None], states[v][None])[0]
        for _ in range(part.rounds):
            for order, forward in ((nodes, True), (nodes[::-1], False)):
                for v in order:
                    near = sources[v] if forward else [w for w in nodes if v in sources[w]]
                    m = sum((message(part, states[u]) for u in near), torch.zeros(WIDTH, dtype=h.dtype))
                    states[v] = part.gru(m[None], states[v][None])[0]
        embedding = torch.stack([states[v] for v in nodes]).mean(0)
    return torch.stack(states)


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("passes", [True, False])
def test_equals_the_loop_over_modules(shares: bool, passes: bool) -> None:
    torch.manual_seed(0)
    config = GHNConfig(
        gnn="stacked", virtual_edge_cutoff=1, rounds=2,
        share_cells=shares, pass_embedding=passes, most_cells=3,
    )  # fmt: skip
    gnn = StackedGNN(config).double()
    graphs = [chain_graph(1, (3, 5, 4, 2)), chain_graph(2, (2, 6)), chain_graph(3, (4, 3, 5, 3, 2))]
    batch = GraphBatch.from_graphs(graphs, config)
    h = torch.randn(len(batch.primitive_N), WIDTH, dtype=torch.float64, requires_grad=True)
    fast = gnn(h, batch)
    wanted = torch.randn_like(fast)
    (fast * wanted).sum().backward()
    gradients = [h.grad, *(parameter.grad for parameter in gnn.parameters())]
    h.grad = None
    gnn.zero_grad()
    slow = torch.zeros_like(fast)
    for graph, rows in zip(graphs, batch.rows, strict=True):
        slow = slow.index_copy(0, torch.from_numpy(rows), naive(gnn, h[rows], graph))
    (slow * wanted).sum().backward()
    torch.testing.assert_close(fast, slow, rtol=0, atol=1e-10)
    for one, other in zip(gradients, [h.grad, *(p.grad for p in gnn.parameters())], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_one_module_is_the_gated_gnn() -> None:
    torch.manual_seed(0)
    config = GHNConfig(gnn="stacked", rounds=2)
    stacked, graph = StackedGNN(config), random_graph(4, 12)
    gated = stacked.modules_gnn[0]
    plain = replace(config, gnn="gated")
    h = torch.randn(12, WIDTH)
    by_module = stacked(h, GraphBatch.from_graphs([graph], config))
    torch.testing.assert_close(by_module, gated(h, GraphBatch.from_graphs([graph], plain)), rtol=0, atol=1e-6)


def test_what_a_module_is_reaches_the_later_ones_alone() -> None:
    torch.manual_seed(0)
    config = GHNConfig(gnn="stacked", virtual_edge_cutoff=1)
    graph, gnn = chain_graph(1, (3, 4, 5)), StackedGNN(config)
    batch = GraphBatch.from_graphs([graph], config)
    h = torch.randn(12, WIDTH)
    other = h.clone()
    other[batch.rows[0][4]] += 1.0  # a node of the module in the middle
    changed = (gnn(h, batch) - gnn(other, batch)).abs().sum(1)[batch.rows[0]] > 0
    numbers = torch.from_numpy(modules_of(graph))
    assert numbers.max() == 2
    assert not changed[numbers == 0].any()
    assert changed[numbers == 2].all()


def test_cells_and_what_stands_between_them() -> None:
    graph = read_darts({"format": "darts", "cells": 3, "channels": 8, "genotype": GENOTYPE})
    primitives = to_primitives(graph)
    numbers = modules_of(primitives)
    named = dict(zip(primitives.names, numbers.tolist(), strict=True))
    assert named["stem.0.weight"] == 0
    assert [named[f"cells.{cell}.preprocess1.op.1.weight"] for cell in range(3)] == [1, 2, 3]
    assert numbers[-1] == numbers.max() == 4  # the head
    for node, sources in enumerate(primitives.predecessors):
        assert all(numbers[source] <= numbers[node] for source in sources)


GENOTYPE = {
    "normal": [["conv_3x3", 0], ["skip_connect", 1], ["sep_conv_3x3", 1], ["max_pool_3x3", 2]],
    "reduce": [["conv_1x1", 0], ["conv_3x3", 1]],
}


@pytest.mark.parametrize("decoder", ["conv", "mlp"])
def test_a_stacked_ghn_predicts_every_parameter_and_is_saved(decoder: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ghn = GHN(GHNConfig(gnn="stacked", decoder=decoder, max_channels=8, max_kernel=3, rounds=2)).eval()
    graph = to_primitives(read_darts({"format": "darts", "cells": 3, "channels": 8, "genotype": GENOTYPE}))
    with torch.no_grad():
        (tensors,) = ghn.predict_tensors(GraphBatch.from_graphs([graph], ghn.config))
    shapes = {target.parameter.name: target.parameter.shape for target in graph.targets if target.node >= 0}
    assert {name: tuple(value.shape) for name, value in tensors.items()} == shapes
    save_checkpoint(tmp_path / "m", ghn, {"name": "m", "kind": "ghn"})
    again = load_checkpoint(tmp_path / "m")
    assert again.config == ghn.config
    with torch.no_grad():
        (same,) = again.predict_tensors(GraphBatch.from_graphs([graph], again.config))
    assert all(torch.equal(tensors[name], same[name]) for name in tensors)


def test_the_perceptron_decoder_cuts_small_kernels_from_the_largest() -> None:
    torch.manual_seed(0)
    decoder = MLPDecoder(GHNConfig(decoder="mlp", max_channels=4, max_kernel=5, num_classes=7))
    h = torch.randn(3, WIDTH)
    shapes = [(2, 3, 3, 1), decoder.classifier_shape]
    cuts = decoder.cut(shapes)
    layers = (decoder.hidden, decoder.kernel)
    first, last = ({n: p.detach().numpy() for n, p in layer.named_parameters()} for layer in layers)
    x = np.maximum(h.numpy() @ first["weight"].T + first["bias"], 0)
    whole = (x @ last["weight"].T + last["bias"]).reshape(3, 4, 4, 5, 5)
    np.testing.assert_allclose(decoder(h, shapes[0], cuts).detach(), whole[:, :2, :3, :3, :1], atol=1e-5)
    linear = decoder.classifier
    expected = np.einsum("co,poi->pci", linear.weight.detach(), np.maximum(whole[..., 0, 0], 0))
    expected += linear.bias.detach().numpy()[:, None]
    np.testing.assert_allclose(decoder.forward_classifier(h, cuts).detach(), expected, atol=1e-5)
