"""The SMASH space: memory-bank networks and its special cases."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import InvalidArchitecture, LimitExceeded
from service.graph_io.cells.smash import read_smash
from service.graph_io.primitives import to_primitives


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
