"""The GHN as a whole: batching, node order, checkpoints, and every parameter answered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from service.errors import InvalidInput
from service.ghn.batch import GraphBatch
from service.ghn.checkpoint import import_reference, load_checkpoint, save_checkpoint
from service.ghn.config import (
    GHN1_CIFAR10,
    GHN2_CIFAR10,
    GHN2_IMAGENET,
    GHN3_CIFAR10,
    MLP_CIFAR10,
    GHNConfig,
)
from service.ghn.model import GHN, tile
from service.ghn.normalization import fan_scale
from service.ghn.predict import node_states, predict_blocks
from service.graph_io.archgraph import ArchGraph, Node, Parameter
from service.graph_io.checks import build_graph
from service.graph_io.operators import Primitive
from service.graph_io.primitives import to_primitives
from service.weights.blocks import Provenance


def conv_net(width: int, depth: int = 3, *, kernel: int = 3, classes: int = 10) -> ArchGraph:
    nodes = [Node("x", "input")]
    previous, channels = "x", 3
    for index in range(depth):
        weight = Parameter(f"conv{index}.weight", (width, channels, kernel, kernel))
        norm = (Parameter(f"bn{index}.weight", (width,)), Parameter(f"bn{index}.bias", (width,), "bias"))
        nodes.append(Node(f"conv{index}", "conv", (previous,), (weight,)))
        nodes.append(Node(f"bn{index}", "batch_norm", (f"conv{index}",), norm))
        nodes.append(Node(f"relu{index}", "activation", (f"bn{index}",)))
        previous, channels = f"relu{index}", width
    nodes.append(Node("pool", "global_avg_pool", (previous,)))
    head = (Parameter("fc.weight", (classes, width)), Parameter("fc.bias", (classes,), "bias"))
    nodes.append(Node("fc", "linear", ("pool",), head))
    return build_graph(nodes, input_shape=(3, 32, 32))


@pytest.fixture(scope="module", params=[GHN2_CIFAR10, GHN3_CIFAR10], ids=["ghn2", "ghn3"])
def ghn(request: pytest.FixtureRequest) -> GHN:
    torch.manual_seed(0)
    return GHN(request.param).eval()


def test_sizes_are_the_papers() -> None:
    """About 1.6 M parameters for CIFAR-10, 2.32 M for ImageNet."""
    count = {
        c: sum(p.numel() for p in GHN(c).parameters()) for c in (GHN2_CIFAR10, GHN2_IMAGENET, GHN1_CIFAR10)
    }
    assert 1.55e6 < count[GHN2_CIFAR10] < 1.65e6
    assert round(count[GHN2_IMAGENET] / 1e6, 2) == 2.32
    # Half-width MLPs for two kinds of messages: the same size as one full MLP, but for biases and the layer
    # norm.
    assert abs(count[GHN2_CIFAR10] - count[GHN1_CIFAR10]) < 150
    # Sizes of GHN-3: of CIFAR-10, and the published T.
    tiny = replace(GHN3_CIFAR10, max_kernel=16, num_classes=1000)
    assert [sum(p.numel() for p in GHN(c).parameters()) for c in (GHN3_CIFAR10, tiny)] == [4531500, 6906632]


def test_a_graph_alone_equals_the_graph_in_a_crowd(ghn: GHN) -> None:
    graphs = [to_primitives(conv_net(width, depth)) for width, depth in ((8, 1), (48, 5), (80, 2), (16, 9))]
    with torch.no_grad():
        crowd = ghn.predict_tensors(GraphBatch.from_graphs(graphs, ghn.config))
        for graph, together in zip(graphs, crowd, strict=True):
            (alone,) = ghn.predict_tensors(GraphBatch.from_graphs([graph], ghn.config))
            assert alone.keys() == together.keys()
            for name, value in alone.items():
                torch.testing.assert_close(value, together[name], rtol=0, atol=1e-6)


def test_node_order_does_not_matter(ghn: GHN) -> None:
    graph = conv_net(24, 4)
    shuffled = build_graph(list(graph.nodes)[::-1], outputs=graph.outputs, input_shape=graph.input_shape)
    first, second = predict_blocks(ghn, graph), predict_blocks(ghn, shuffled)
    for name, block in first.blocks.items():
        np.testing.assert_allclose(block.expand(), second.blocks[name].expand(), rtol=0, atol=1e-6)


def test_blocks_expand_to_the_training_tensors(ghn: GHN) -> None:
    """The late expansion of an answer and the differentiable one of training give the same values."""
    graph = conv_net(80, 2, classes=7)
    blocks = predict_blocks(ghn, graph)
    with torch.no_grad():
        (tensors,) = ghn.predict_tensors(GraphBatch.from_graphs([to_primitives(graph)], ghn.config))
    assert set(tensors) == set(blocks.blocks)
    for name, value in tensors.items():
        np.testing.assert_allclose(blocks.blocks[name].expand(), value.numpy(), rtol=0, atol=1e-7)


def test_stored_layout_follows_axes(ghn: GHN) -> None:
    def net(parameter: Parameter) -> ArchGraph:
        head = Node("b", "linear", ("a",), (Parameter("b.w", (10, 100)),))
        return build_graph(
            [Node("x", "input"), Node("a", "linear", ("x",), (parameter,)), head], input_shape=(70,)
        )

    normal = predict_blocks(ghn, net(Parameter("a.w", (100, 70)))).blocks["a.w"].expand()
    turned = predict_blocks(ghn, net(Parameter("a.w", (70, 100), axes=(1, 0)))).blocks["a.w"].expand()
    np.testing.assert_array_equal(normal, turned.T)


@pytest.mark.parametrize("shape", [(40, 3, 7), (70, 5, 3, 3, 3), (200, 1, 15, 15), (6, 130, 1, 9)])
def test_kernels_of_any_rank_and_size(ghn: GHN, shape: tuple[int, ...]) -> None:
    head = Node("fc", "linear", ("c",), (Parameter("fc.w", (10, shape[0])),))
    graph = build_graph([Node("x", "input"), Node("c", "conv", ("x",), (Parameter("c.w", shape),)), head])
    value = predict_blocks(ghn, graph).blocks["c.w"].expand()
    assert value.shape == shape
    assert np.isfinite(value).all()
    if max(shape[2:]) > 11 and not ghn.config.is_transformer:  # larger kernels repeat the map
        np.testing.assert_array_equal(value[..., :4, :4], value[..., 11:15, 11:15])


def test_what_has_no_decoder_is_defaulted_and_said(ghn: GHN) -> None:
    nodes = [
        Node("x", "input"),
        Node("emb", "embedding", ("x",), (Parameter("emb.weight", (50, 32)),)),
        Node("cls", "class_token", ("emb",), (Parameter("cls", (1, 1, 32)),)),
        Node("pos", "position", ("cls",), (Parameter("pos", (1, 17, 32)),)),
        Node("ls", "layer_scale", ("pos",), (Parameter("gamma", (32,)),)),
        Node(
            "rnn",
            "recurrent",
            ("ls",),
            (Parameter("rnn.w", (128, 32), "weight_ih"), Parameter("rnn.b", (128,), "bias_ih")),
        ),
        Node(
            "act",
            "parameter",
            ("rnn",),
            (Parameter("act.weight", (1,), "slope"), Parameter("temperature", (), "scale")),
        ),
        Node("fc", "linear", ("act",), (Parameter("fc.w", (10, 32)), Parameter("fc.b", (10,), "bias"))),
    ]
    graph = build_graph(
        nodes, unattached=(Parameter("unused.weight", (4, 4)), Parameter("unused.bias", (4,), "bias"))
    )
    answer = predict_blocks(ghn, graph)
    full = answer.expand()
    assert {name: value.shape for name, value in full.items()} == {
        p.name: p.shape for p in graph.parameters()
    }
    assert answer.blocks["pos"].provenance is not Provenance.DEFAULTED
    assert set(answer.defaulted) == set(full) - {"pos", "fc.w", "fc.b"}
    assert (full["gamma"] == np.float32(1e-6)).all()
    assert full["act.weight"] == 0.25
    assert full["temperature"] == 1.0
    assert 0.015 < full["emb.weight"].std() < 0.025
    again = predict_blocks(ghn, graph).expand()
    assert all(np.array_equal(full[name], again[name]) for name in full)


def test_a_network_of_nothing_that_a_decoder_makes_is_answered(ghn: GHN) -> None:
    weights = (Parameter("w", (1, 32, 8), "weight"), Parameter("r", (1, 32, 8), "recurrent_weight"))
    nodes = [Node("x", "input"), Node("rnn", "recurrent", ("x",), weights)]
    answer = predict_blocks(ghn, build_graph(nodes))
    assert set(answer.defaulted) == {"w", "r"} and answer.coverage == 0
    assert np.isfinite(answer.expand()["r"]).all()


@pytest.mark.parametrize("last", [True, False])
def test_a_bias_of_rank_0_is_one_number(ghn: GHN, last: bool) -> None:
    linear = (Parameter("w", (4, 8)), Parameter("b", (), "bias"))
    nodes = [
        Node("x", "input"),
        Node("fc", "linear", ("x",), linear[:1]),
        Node("sum", "bias", ("fc",), linear[1:]),
        *([] if last else [Node("fc2", "linear", ("sum",), (Parameter("v", (3, 4)),))]),
    ]
    full = predict_blocks(ghn, build_graph(nodes)).expand()
    assert full["b"].shape == () and np.isfinite(full["b"])


def test_position_grid_sits_at_the_end_of_a_longer_table(ghn: GHN) -> None:
    def table(length: int) -> np.ndarray:
        pos = Node("pos", "position", ("x",), (Parameter("pos", (1, length, 16)),))
        head = Node("fc", "linear", ("pos",), (Parameter("fc.w", (10, 16)),))
        return predict_blocks(ghn, build_graph([Node("x", "input"), pos, head])).blocks["pos"].expand()

    np.testing.assert_array_equal(table(16)[0], table(17)[0, 1:])


def test_fine_tuning_leaves_the_classifier_to_the_standard_rule(ghn: GHN) -> None:
    answer = predict_blocks(ghn, conv_net(16), include_classifier=False)
    assert answer.defaulted == ("fc.weight", "fc.bias")
    assert not answer.blocks["fc.bias"].expand().any()


def test_fan_scale_is_table_two() -> None:
    assert fan_scale((64, 32, 3, 3)) == pytest.approx((2 / (32 * 9)) ** 0.5)
    assert fan_scale((64, 1, 3, 3)) == pytest.approx((1 / 9) ** 0.5)
    assert fan_scale((64, 32, 1, 7)) == pytest.approx((1 / (32 * 7)) ** 0.5)
    assert fan_scale((64, 32, 7, 1)) == pytest.approx((2 / (32 * 7)) ** 0.5)
    assert fan_scale((10, 512)) == pytest.approx((2 / 512) ** 0.5)
    assert fan_scale((64, 32, 3, 3), "out") == pytest.approx((2 / (64 * 9)) ** 0.5)


def test_weights_scaled_by_their_fan_out() -> None:
    graph = to_primitives(conv_net(12))
    configs = [GHNConfig(max_channels=8, max_kernel=3, fan=fan) for fan in ("in", "out")]
    ghn = GHN(configs[0])
    twin = GHN(configs[1])
    twin.load_state_dict(ghn.state_dict())
    by_in, by_out = (
        one.predict_tensors(GraphBatch.from_graphs([graph], config))[0]
        for one, config in zip((ghn, twin), configs, strict=True)
    )
    weight = "fc.weight"
    out, into = by_in[weight].shape
    torch.testing.assert_close(by_out[weight] * out**0.5, by_in[weight] * into**0.5)


def test_nodes_without_their_shape() -> None:
    config = GHNConfig(max_channels=8, max_kernel=3, shape_encoding=False, gnn="mlp", layer_norm=False)
    ghn = GHN(config)
    assert not any(name.startswith("shape_encoder") for name, _ in ghn.named_parameters())
    assert GHNConfig.from_dict(config.to_dict()) == config
    graph = to_primitives(conv_net(12))
    batch = GraphBatch.from_graphs([graph], config)
    states = ghn.embed(batch)[batch.rows[0]]
    convolutions = [node for node, kind in enumerate(graph.primitive_N) if kind == Primitive.CONV]
    assert len({graph.shapes[node] for node in convolutions}) > 1
    for node in convolutions:
        torch.testing.assert_close(states[node], states[convolutions[0]])


@pytest.mark.parametrize(
    "config", [GHN2_CIFAR10, GHN1_CIFAR10, MLP_CIFAR10, GHN3_CIFAR10, GHNConfig(hidden=16, max_kernel=5)]
)
def test_checkpoint_returns_bit_equal_output(tmp_path: Path, config: GHNConfig) -> None:
    torch.manual_seed(1)
    ghn = GHN(config).eval()
    save_checkpoint(tmp_path / "m", ghn, {"name": "m", "kind": "ghn"})
    loaded = load_checkpoint(tmp_path / "m")
    assert loaded.config == config
    first, second = (predict_blocks(model, conv_net(72)).expand() for model in (ghn, loaded))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_half_precision_checkpoint_is_half_the_size_and_close(tmp_path: Path, ghn: GHN) -> None:
    save_checkpoint(tmp_path / "m", ghn, {}, dtype=torch.float16)
    numbers = sum(value.numel() for value in ghn.state_dict().values())
    assert (tmp_path / "m" / "weights.safetensors").stat().st_size < 2.1 * numbers
    first, second = (
        predict_blocks(model, conv_net(16)).expand() for model in (ghn, load_checkpoint(tmp_path / "m"))
    )
    for name, value in first.items():
        assert np.abs(value - second[name]).max() <= 0.02 * np.abs(value).max()


def test_damaged_checkpoints_are_refused(tmp_path: Path, ghn: GHN) -> None:
    folder = tmp_path / "m"
    with pytest.raises(InvalidInput):
        load_checkpoint(folder)
    save_checkpoint(folder, ghn, {})
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"max_kernel": ', '"max_kernel": 1'))
    with pytest.raises(InvalidInput, match="do not fit"):
        load_checkpoint(folder)
    config.write_text(config.read_text().replace('"rounds"', '"turns"'))
    with pytest.raises(InvalidInput, match="turns"):
        load_checkpoint(folder)


def test_reference_import_never_runs_code(tmp_path: Path) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"config": object(), "state_dict": {}}, path)
    with pytest.raises(InvalidInput):
        import_reference(path)
    path.write_bytes(b"no torch file")
    with pytest.raises(InvalidInput):
        import_reference(path)
    torch.save({"config": {"hid": 32}, "state_dict": {}}, path)
    with pytest.raises(InvalidInput, match="max_shape"):
        import_reference(path)


def test_embeddings_do_not_depend_on_the_batch(ghn: GHN) -> None:
    graphs = [to_primitives(conv_net(8 * (i + 1), i + 1)) for i in range(5)]
    batch = GraphBatch.from_graphs(graphs, ghn.config)
    with torch.inference_mode():
        together = ghn.embed(batch).numpy()
    for graph, rows in zip(graphs, batch.rows, strict=True):
        alone = node_states(ghn, graph)
        assert alone.shape == (len(graph), ghn.config.hidden)
        np.testing.assert_allclose(alone, together[rows], rtol=0, atol=1e-5)


def test_tile_repeats_and_cuts() -> None:
    block = torch.arange(6.0).view(2, 3)
    assert tile(block, (3, 5)).tolist() == [[0, 1, 2, 0, 1], [3, 4, 5, 3, 4], [0, 1, 2, 0, 1]]


@pytest.mark.parametrize("config", [GHN2_CIFAR10, GHN3_CIFAR10], ids=["ghn2", "ghn3"])
def test_gradients_reach_every_part(config: GHNConfig) -> None:
    model = GHN(config)
    graphs = [to_primitives(conv_net(16, 3)), to_primitives(conv_net(24, 2))]
    tensors = model.predict_tensors(GraphBatch.from_graphs(graphs, model.config))
    sum(value.square().sum() for network in tensors for value in network.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize(
    ("block", "full"),
    [
        ((2, 3, 4), (2, 3, 4)),
        ((2, 3, 4), (2, 7, 4)),
        ((2, 3, 4), (2, 6, 9)),
        ((2, 5, 4), (2, 3, 9)),
        ((1, 2), (3, 1)),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_tiling_sends_back_the_gradient_of_every_copy(
    block: tuple[int, ...], full: tuple[int, ...], scale: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(block, generator=generator, dtype=torch.float64).requires_grad_()
    weights = torch.randn(full, generator=generator, dtype=torch.float64)
    repeats = [-(-size // have) for size, have in zip(full, block, strict=True)]
    plain = scale * values.repeat(repeats)[tuple(slice(0, size) for size in full)]
    ours = tile(values, full, scale)
    assert torch.equal(ours, plain)
    expected = torch.autograd.grad((plain * weights).sum(), values)
    torch.testing.assert_close(torch.autograd.grad((ours * weights).sum(), values), expected)
