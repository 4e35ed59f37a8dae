"""The SMASH space: memory-bank networks and its special cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from service.errors import InvalidArchitecture, LimitExceeded
from service.executor.networks import Network
from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.smash import build_smash, parse_smash, read_smash
from service.graph_io.primitives import to_primitives
from service.predictors.smash.config import SmashConfig
from service.predictors.smash.model import Smash


def network(*layers: dict[str, Any], banks: int = 2, **options: Any) -> dict[str, Any]:
    return {
        "format": "smash",
        "blocks": [{"banks": banks, "bank_channels": 8, "layers": list(layers)}],
        **options,
    }


def conv(kernel: int = 3, **options: Any) -> dict[str, Any]:
    return {"kernel": kernel, **options}


def test_a_resnet_has_one_bank_that_is_read_and_added_to() -> None:
    layer = {"read": [0], "write": [0], "convs": [conv(), conv()]}
    graph = read_smash(network(layer, layer, banks=1))
    assert sum(node.op == "add" for node in graph.nodes) == 2
    assert not any(node.op in ("concat", "slice") for node in graph.nodes)
    assert len(to_primitives(graph).targets) == len(list(graph.parameters()))


def test_a_densenet_writes_a_bank_a_layer_and_reads_all_before() -> None:
    layers = [{"read": list(range(n)), "write": [n], "convs": [conv()]} for n in (1, 2, 3)]
    graph = read_smash(network(*layers, banks=4))
    shapes = {parameter.name: parameter.shape for parameter in graph.parameters()}
    assert [shapes[f"blocks.0.layers.{n}.reduce.weight"] for n in range(3)] == [
        (8, 8, 1, 1),
        (8, 16, 1, 1),
        (8, 24, 1, 1),
    ]


def test_a_densenet_equals_its_definition() -> None:
    """Huang et al. 2017: x_n = H_n([x_0, ..., x_n-1]), and the block gives on all of them. Nothing but x_0 is
    there before the first layer."""
    layers = [{"read": list(range(n)), "write": [n], "convs": [conv()]} for n in (1, 2, 3)]
    document = network(*layers, banks=4, image_size=8, stem_channels=8)
    document["blocks"][0]["enter"] = [0]
    graph = read_smash(document)
    w, x = weights(graph), images()
    states = [F.conv2d(F.conv2d(x, w["stem.weight"], padding=1), w["blocks.0.enter.weight"])]
    for n in range(3):
        reduced = F.conv2d(torch.cat(states, 1), w[f"blocks.0.layers.{n}.reduce.weight"])
        states.append(F.conv2d(F.relu(reduced), w[f"blocks.0.layers.{n}.convs.0.weight"], padding=1))
    expected = head(torch.cat(states, 1), w)
    torch.testing.assert_close(Network(graph)(x, w).double(), expected, rtol=1e-5, atol=1e-5)
    assert not any(node.op == "add" for node in graph.nodes)


def fractal(columns: int, source: int, target: int, free: Iterator[int]) -> list[dict[str, Any]]:
    """Layers of f_C from one bank to another (Larsson et al. 2017): f_C+1(z) = f_C(f_C(z)) + f_1(z)."""
    if columns == 1:
        return [{"read": [source], "write": [target], "convs": [conv()]}]
    between = next(free)
    return [
        *fractal(1, source, target, free),
        *fractal(columns - 1, source, between, free),
        *fractal(columns - 1, between, target, free),
    ]


def test_a_fractalnet_equals_its_definition() -> None:
    """Joins are sums here, and means there, which the next 1x1 convolution makes up for."""
    layers = fractal(3, 0, 1, iter(range(2, 9)))
    banks = 1 + max(bank for layer in layers for bank in (*layer["read"], *layer["write"]))
    document = network(*layers, banks=banks, image_size=8, stem_channels=8)
    document["blocks"][0] |= {"enter": [0], "leave": [1]}
    graph = read_smash(document)
    w, x = weights(graph), images()
    number = iter(range(len(layers)))

    def f(columns: int, z: Tensor) -> Tensor:
        if columns > 1:
            short = f(1, z)
            return short + f(columns - 1, f(columns - 1, z))
        name = f"blocks.0.layers.{next(number)}"
        reduced = F.conv2d(z, w[f"{name}.reduce.weight"])
        return F.conv2d(F.relu(reduced), w[f"{name}.convs.0.weight"], padding=1)

    z = F.conv2d(F.conv2d(x, w["stem.weight"], padding=1), w["blocks.0.enter.weight"])
    torch.testing.assert_close(Network(graph)(x, w).double(), head(f(3, z), w), rtol=1e-5, atol=1e-5)
    assert len(layers) == 7
    depth = [node.op for node in graph.nodes].count("conv")
    assert depth == 2 + 2 * len(layers)


def weights(graph: ArchGraph) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        parameter.name: torch.randn(parameter.shape, generator=generator).double() * 0.3
        for parameter in graph.all_parameters()
    }


def images() -> Tensor:
    return torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()


def head(state: Tensor, w: dict[str, Tensor]) -> Tensor:
    norm = "transitions.0.norm"
    state = F.batch_norm(state, None, None, w[f"{norm}.weight"], w[f"{norm}.bias"], training=True)
    return F.linear(F.relu(state).mean((2, 3)), w["classifier.weight"], w["classifier.bias"])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"enter": [0]}, "/blocks/0/layers/0/read"),
        ({"enter": [1]}, "/blocks/0/leave"),
        ({"enter": [2]}, "/blocks/0/enter"),
        ({"enter": []}, "/blocks/0/enter"),
        ({"leave": [0, 0]}, "/blocks/0/leave"),
    ],
)
def test_zeros_that_nothing_has_written_are_not_read(fields: dict[str, Any], field: str) -> None:
    document = network({"read": [1], "write": [1]}, banks=2)
    document["blocks"][0] |= fields
    with pytest.raises(InvalidArchitecture) as caught:
        read_smash(document)
    assert caught.value.extra["field"] == field


def test_a_hypernetwork_generates_what_such_a_block_needs() -> None:
    config = SmashConfig(unit=8, bank_units=1, layer_units=1, banks=4, layers=3, blocks=1, kernels=(3,))
    layers = [{"read": list(range(n)), "write": [n], "convs": [conv()]} for n in (1, 2, 3)]
    document = network(*layers, banks=4, image_size=8, stem_channels=8)
    document["blocks"][0] |= {"enter": [0], "leave": [1, 3]}
    parsed = parse_smash(document)
    expected = {parameter.name: parameter.shape for parameter in build_smash(parsed).parameters()}
    with torch.no_grad():
        made = Smash(config)(parsed)
    assert {name: tuple(value.shape) for name, value in made.items()} == expected


def test_two_branches_are_added() -> None:
    convs = [conv(branch=0), conv(5, branch=1, dilation=2), conv(branch=1, groups=2)]
    graph = read_smash(network({"read": [0, 1], "write": [0, 1], "channels": 4, "convs": convs}))
    by_name = {node.name: node for node in graph.nodes}
    assert by_name["blocks.0.layers.0.sum"].inputs == (
        "blocks.0.layers.0.convs.0",
        "blocks.0.layers.0.convs.2",
    )
    assert by_name["blocks.0.layers.0.convs.1"].attrs["padding"] == 4
    assert by_name["blocks.0.layers.0.convs.2"].params[0].shape == (4, 2, 3, 3)
    assert by_name["blocks.0.layers.0.expand"].params[0].shape == (8, 4, 1, 1)


def test_blocks_halve_the_resolution() -> None:
    document = network({"read": [0], "write": [1]})
    document["blocks"] *= 3
    graph = read_smash({**document, "num_classes": 100, "image_size": 16, "stem_channels": 5, "name": "n"})
    assert sum(node.op == "avg_pool" for node in graph.nodes) == 2
    assert {node.cell for node in graph.nodes} == {None, 0, 1, 2}
    assert graph.input_shape == (3, 16, 16)
    assert list(graph.parameters())[-1].shape == (100,)


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        ({"read": [2], "write": [0]}, "/blocks/0/layers/0/read"),
        ({"read": [0, 0], "write": [0]}, "/blocks/0/layers/0/read"),
        ({"read": [], "write": [0]}, "/blocks/0/layers/0/read"),
        ({"read": [0], "write": [-1]}, "/blocks/0/layers/0/write/0"),
        ({"read": [0]}, "/blocks/0/layers/0"),
        ({"read": [0], "write": [0], "convs": [{"kernel": 4}]}, "/blocks/0/layers/0/convs/0/kernel"),
        (
            {"read": [0], "write": [0], "convs": [{"kernel": 3, "groups": 3}]},
            "/blocks/0/layers/0/convs/0/groups",
        ),
        (
            {"read": [0], "write": [0], "convs": [{"kernel": 3, "branch": 2}]},
            "/blocks/0/layers/0/convs/0/branch",
        ),
        ({"read": [0], "write": [0], "convs": [{"size": 3}]}, "/blocks/0/layers/0/convs/0/size"),
    ],
)
def test_what_is_wrong_is_named(layer: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        read_smash(network(layer))
    assert caught.value.extra["field"] == field


def test_limits_hold() -> None:
    with pytest.raises(LimitExceeded):
        read_smash(network({"read": [0], "write": [0], "convs": [conv()] * 5}))
    with pytest.raises(InvalidArchitecture, match="/blocks has 0 items"):
        read_smash({"blocks": []})
