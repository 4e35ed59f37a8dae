"""The SMASH hypernetwork: what it is told of a network, and the weights that it generates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import InvalidArchitecture, InvalidInput
from service.graph_io.cells.smash import build_smash, parse_smash
from service.models.catalog import CONFIG
from service.predictors.smash.checkpoint import load_checkpoint, save_checkpoint
from service.predictors.smash.config import SmashConfig
from service.predictors.smash.encoding import condition_channels, encode, permuted, undescribed
from service.predictors.smash.filters import generated_filters, operation_length, role_length
from service.predictors.smash.model import Smash
from service.predictors.smash.space import random_architecture

CONFIG_TINY = SmashConfig(
    unit=2, blocks=2, banks=3, bank_units=2, layer_units=3, layers=3, hidden=8, depth=1, num_classes=5
)


def made(config: SmashConfig = CONFIG_TINY) -> Smash:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Smash(config)


SMASH = made()


def document(seed: int, config: SmashConfig = CONFIG_TINY) -> dict[str, Any]:
    return random_architecture(config, np.random.default_rng(seed), image_size=8)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_every_network_gets_all_its_weights(seed: int, cut: int) -> None:
    """cut: widths that are no multiples of a unit."""
    described = document(seed)
    for block in described["blocks"]:
        block["bank_channels"] = max(1, block["bank_channels"] - cut)
    described["stem_channels"] = cut
    network = parse_smash(described)
    wanted = {parameter.name: parameter.shape for parameter in build_smash(network).parameters()}
    found = SMASH(network)
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == wanted
    for one in generated_filters(network, SMASH.config):
        length = found[one.name].flatten(1).norm(dim=1)
        assert torch.allclose(length, torch.ones_like(length), atol=1e-5)


def test_gradients_reach_every_parameter() -> None:
    network = parse_smash(document(3))
    total = torch.stack([(tensor * torch.randn(tensor.shape)).sum() for tensor in SMASH(network).values()])
    names, parameters = zip(*SMASH.named_parameters(), strict=True)
    gradients = torch.autograd.grad(total.sum(), parameters)
    for name, gradient in zip(names, gradients, strict=True):
        assert gradient.abs().sum() > 0, name


def layer(read: Sequence[int] = (0,), write: Sequence[int] = (0,), **options: Any) -> dict[str, Any]:
    return {"read": list(read), "write": list(write), **options}


def network_of(*layers: dict[str, Any]) -> dict[str, Any]:
    blocks = [{"banks": 2, "bank_channels": 4, "layers": list(layers)}]
    return {"format": "smash", "num_classes": 5, "image_size": 8, "blocks": blocks}


def test_the_tensor_says_what_a_layer_does() -> None:
    config = CONFIG_TINY
    one = network_of(layer([0, 1], [1], channels=2, convs=[{"kernel": 5, "groups": 2, "dilation": 2}]))
    filters = generated_filters(parse_smash(one), config)
    assert [filter_.name.split(".", 2)[2] for filter_ in filters] == [
        "enter.weight",
        "layers.0.reduce.weight",
        "layers.0.expand.weight",
    ]
    encoded = encode(filters, config)
    # Inputs: 8 stem channels, two banks of 4, 2 of the layer; outputs: at most two banks of 4.
    assert encoded.condition_1CHW.shape == (1, condition_channels(config), 4 + 4 + 1, 4)
    enter, reduce, _ = encoded.regions
    assert (enter.start, enter.stop, enter.columns) == (0, 4, 4)
    assert (reduce.start, reduce.stop, reduce.columns) == (4, 8, 1)
    tensor = encoded.condition_1CHW[0]
    assert tensor[:, 4:, 2:].abs().sum() == 0  # nothing where a filter has no weight
    described = role_length(config) + operation_length(config)
    assert torch.equal(tensor[:described, 4, 0], tensor[:described, 7, 0])
    # Kind, block, layer, banks read, banks written, widths; then the first of four convolutions.
    first = role_length(config)
    assert tensor[first : first + 6, 4, 0].tolist() == [1, 1, 0, 0, 1, 0]
    conv = first + 2 * config.banks + config.bank_units + config.layer_units
    assert tensor[conv : conv + 8, 4, 0].tolist() == [0, 1, 0, 1, 0, 1, 0, 0]
    rows = tensor[described : described + config.banks, 4:8, 0]
    assert rows.T.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    "changed",
    [
        {"write": [0, 1]},
        {"convs": [{"kernel": 5}]},
        {"convs": [{"kernel": 3, "dilation": 2}]},
        {"convs": [{"kernel": 3, "groups": 2}]},
        {"convs": [{"kernel": 3, "branch": 1}]},
        {"convs": []},
    ],
)
def test_weights_depend_on_what_the_layer_does(changed: dict[str, Any]) -> None:
    """None of these changes the shape of the filter."""
    before = layer([0], [0], convs=[{"kernel": 3}])
    name = "blocks.0.layers.0.reduce.weight"
    first, second = (SMASH(parse_smash(network_of(one)))[name] for one in (before, {**before, **changed}))
    assert not torch.allclose(first, second, atol=1e-3)


def test_controls_change_what_is_said_of_layers_alone() -> None:
    filters = generated_filters(parse_smash(document(5)), CONFIG_TINY)
    mixed, empty = permuted(filters, np.random.default_rng(0)), undescribed(filters)
    assert sorted(one.operation for one in mixed) == sorted(one.operation for one in filters)
    assert mixed != filters
    assert {value for one in empty if one.in_layer for value in one.operation} == {0.0}
    for others in (mixed, empty):
        for one, other in zip(filters, others, strict=True):
            assert replace(one, operation=()) == replace(other, operation=())
            assert one == other or one.in_layer
    alone = generated_filters(parse_smash(network_of(layer())), CONFIG_TINY)
    assert permuted(alone, np.random.default_rng(0)) == alone


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"num_classes": 4}, "/num_classes"),
        ({"stem_channels": 13}, "/stem_channels"),
        ({"blocks": 3 * network_of(layer())["blocks"]}, "/blocks"),
        ({"blocks": [{"banks": 4, "bank_channels": 2, "layers": []}]}, "/blocks/0/banks"),
        ({"blocks": [{"banks": 1, "bank_channels": 5, "layers": []}]}, "/blocks/0/bank_channels"),
        ({"blocks": network_of(*[layer()] * 4)["blocks"]}, "/blocks/0/layers"),
        ({"blocks": network_of(layer(channels=7))["blocks"]}, "/blocks/0/layers/0/channels"),
        (
            {"blocks": network_of(layer(convs=[{"kernel": 7}]))["blocks"]},
            "/blocks/0/layers/0/convs/0/kernel",
        ),
        (
            {"blocks": network_of(layer(convs=[{"kernel": 3, "groups": 4}]))["blocks"]},
            "/blocks/0/layers/0/convs/0/groups",
        ),
    ],
)
def test_networks_outside_of_the_space_are_refused(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        SMASH(parse_smash({**network_of(layer()), "stem_channels": 4, **change}))
    assert caught.value.extra["field"] == field


def test_a_checkpoint_is_the_same_model(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "mine", SMASH, {"name": "mine", "kind": "smash"})
    again = load_checkpoint(tmp_path / "mine")
    network = parse_smash(document(1))
    assert again.config == SMASH.config and not again.training
    for name, tensor in SMASH(network).items():
        assert torch.equal(tensor, again(network)[name])
    config = tmp_path / "mine" / CONFIG
    changes: list[dict[str, Any]] = [
        {"format": "other"},
        {"smash": {}},
        {"smash": CONFIG_TINY.to_dict() | {"hidden": 9}},
    ]
    for change in changes:
        config.write_text(json.dumps({**json.loads(config.read_text()), **change}))
        with pytest.raises(InvalidInput):
            load_checkpoint(tmp_path / "mine")


@pytest.mark.parametrize(
    "options",
    [
        {"unit": 0},
        {"layers": 1.5},
        {"kernels": ()},
        {"kernels": (2,)},
        {"groups": (2,)},
        {"dilations": (1, 1)},
    ],
)
def test_configuration_refuses_nonsense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        SmashConfig(**options)
