"""A GHN for anytime prediction against loops over nodes and edges."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from torch import Tensor

from service.ghn.batch import GraphBatch
from service.ghn.checkpoint import load_checkpoint, save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.ghn.normalization import fan_scale
from service.ghn.predict import predict_blocks
from service.graph_io.cells.anytime import read_anytime
from service.graph_io.primitives import PrimitiveGraph, to_primitives
from service.search.anytime import AnytimeSpace


def made(**fields: object) -> GHN:
    torch.manual_seed(0)
    config = GHNConfig(anytime=True, virtual_edge_cutoff=1, max_channels=8, max_kernel=5, **fields)  # type: ignore[arg-type]
    return GHN(config).eval()


def graphs(count: int) -> list[PrimitiveGraph]:
    space = AnytimeSpace(nodes=2, channels=4, image_size=16)
    return [to_primitives(read_anytime(space.sample(Random(seed)))) for seed in range(count)]


def naive_joined(ghn: GHN, h_NC: Tensor, rows: list[int], graph: PrimitiveGraph, name: str) -> Tensor:
    """The weight of one bottleneck: for each source its own block, one number at a time."""
    (target,) = [target for target in graph.targets if target.parameter.name == name]
    out, into, height, width = target.parameter.shape
    assert ghn.edge_states is not None
    whole = torch.zeros(out, into, height, width)
    first = 0
    for source, channels in target.edges:
        joined = torch.cat([h_NC[rows[source]], h_NC[rows[target.node]]])
        state = ghn.edge_states.join(joined)
        shape = (min(out, 8), min(channels, 8), height, width)
        block = ghn.decoder(state[None], shape, ghn.decoder.cut([shape]))[0]
        for o in range(out):
            for i in range(channels):
                whole[o, first + i] = block[o % shape[0], i % shape[1]]
        first += channels
    assert first == into
    return whole * fan_scale(target.parameter.shape)


@pytest.mark.parametrize("decoder", ["conv", "mlp"])
def test_weights_that_join_sources_are_decoded_edge_by_edge(decoder: str) -> None:
    ghn, drawn = made(decoder=decoder), graphs(3)
    batch = GraphBatch.from_graphs(drawn, ghn.config)
    with torch.no_grad():
        h_NC, predicted = ghn.embed(batch), ghn.predict_tensors(batch)
        count = 0
        for graph, rows, tensors in zip(drawn, batch.rows, predicted, strict=True):
            assert set(tensors) == {target.parameter.name for target in graph.targets}
            for target in graph.targets:
                if target.edges:
                    expected = naive_joined(ghn, h_NC, list(rows), graph, target.parameter.name)
                    torch.testing.assert_close(tensors[target.parameter.name], expected, rtol=1e-5, atol=1e-6)
                    count += len(target.edges) > 1
    assert count > 10  # some join several


def test_another_source_changes_its_own_channels_alone() -> None:
    ghn, (graph, *_) = made(), graphs(1)
    target = next(target for target in graph.targets if len(target.edges) > 1)
    batch = GraphBatch.from_graphs([graph], ghn.config)
    with torch.no_grad():
        h_NC = ghn.embed(batch)
        changed = h_NC.clone()
        changed[batch.rows[0][target.edges[0][0]]] += 1.0

        def decoded(states: Tensor) -> Tensor:
            groups = ghn.decode(states, batch)
            return next(g.values[0] for g in groups for _, one in g.members if one is target)

        before, after = decoded(h_NC), decoded(changed)
    first = target.edges[0][1]
    assert not torch.equal(before[:, :first], after[:, :first])
    assert torch.equal(before[:, first:], after[:, first:])


def test_the_states_know_scale_and_exit() -> None:
    ghn, (graph, *_) = made(), graphs(1)
    batch = GraphBatch.from_graphs([graph], ghn.config)
    assert ghn.anytime is not None
    table = ghn.anytime
    for node, row in enumerate(batch.rows[0]):
        expected = (
            table.resolution.weight[graph.resolutions[node] + 1] + table.exit.weight[int(graph.exits[node])]
        )
        torch.testing.assert_close(table(batch.mark_N2)[row], expected)
    with torch.no_grad():
        plain = ghn.primitive(batch.primitive_N) + ghn.shape_encoder(batch.shape_N4)
        expected_NC = ghn.layer_norm(ghn.gnn(plain + table(batch.mark_N2), batch))
        torch.testing.assert_close(ghn.embed(batch), expected_NC)
        assert not torch.allclose(ghn.embed(batch), ghn.layer_norm(ghn.gnn(plain, batch)))


def test_every_parameter_is_predicted_and_a_checkpoint_keeps_it(tmp_path: Path) -> None:
    ghn = made()
    graph = read_anytime(AnytimeSpace(nodes=2, channels=4, image_size=16).sample(Random(7)))
    weights = predict_blocks(ghn, graph)
    assert weights.coverage == 1.0
    save_checkpoint(tmp_path / "model", ghn, {"name": "model", "kind": "ghn"})
    again = load_checkpoint(tmp_path / "model")
    assert again.config == ghn.config and again.config.anytime
    for name, value in predict_blocks(again, graph).expand().items():
        np.testing.assert_allclose(value, weights.expand()[name], rtol=1e-4, atol=1e-6)


def test_every_part_of_it_learns() -> None:
    ghn = made().train()
    batch = GraphBatch.from_graphs(graphs(2), ghn.config)
    sum((value**2).sum() for tensors in ghn.predict_tensors(batch) for value in tensors.values()).backward()
    for name, parameter in ghn.named_parameters():
        if name.startswith(("anytime", "edge_states")):
            assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0, name


def test_other_ghns_are_as_they_were() -> None:
    assert "anytime" not in GHNConfig().to_dict()
    assert GHNConfig.from_dict(GHNConfig().to_dict()) == GHNConfig()
    assert GHNConfig.from_dict(GHNConfig(anytime=True).to_dict()).anytime
    assert GHN(GHNConfig(max_channels=8, max_kernel=3)).edge_states is None
