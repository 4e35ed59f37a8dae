"""Networks of a search space for training a GHN."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.errors import InvalidRequest
from service.executor.cost import network_cost
from service.ghn.checkpoint import load_checkpoint
from service.graph_io.digest import graph_digest
from training.data.deepnets import Bounds
from training.data.spaces import SpaceNetworks
from training.ghn.recipe import Stage, TrainConfig
from training.ghn.trainer import train

SMALL = {"channels": 4, "blocks": 3}
BOUNDS = Bounds(image_size=8)


def drawn(networks: SpaceNetworks, part: str, count: int = 6) -> list[str]:
    graphs = (networks.graph(part, 0, index, num_classes=3, bounds=BOUNDS) for index in range(count))
    return [graph_digest(graph) for graph in graphs]


def test_a_number_names_a_network_and_no_part_shares_one_with_the_other() -> None:
    networks = SpaceNetworks(space="ghn1", fields=SMALL)
    assert drawn(networks, "train") == drawn(networks, "train")
    assert not set(drawn(networks, "train")) & set(drawn(networks, "test"))


def test_fields_replace_what_the_space_says() -> None:
    networks = SpaceNetworks(space="ghn1", fields={**SMALL, "states": 7})
    graph = networks.graph("train", 0, 0, num_classes=3, bounds=BOUNDS)
    assert graph.input_shape == (3, 8, 8)
    (weight,) = [parameter for parameter in graph.all_parameters() if parameter.name == "classifier.weight"]
    assert weight.shape[0] == 3
    nodes = {node.name.split(".")[3] for node in graph.nodes if node.name.startswith("blocks.0.nodes")}
    assert nodes <= {str(node) for node in range(5)}


def test_cells_that_are_no_network_are_left_out_and_bounds_hold() -> None:
    networks = SpaceNetworks(space="nasbench201", fields={"channels": 4, "cells_per_stage": 1})
    costs = [
        network_cost(networks.graph("train", 0, index, num_classes=10, bounds=BOUNDS), 8)
        for index in range(40)
    ]
    half = sorted(costs)[20]
    bounds = Bounds(image_size=8, cost=half)
    for index in range(10):
        assert network_cost(networks.graph("train", 0, index, num_classes=10, bounds=bounds), 8) <= half
    with pytest.raises(InvalidRequest):
        networks.graph("train", 0, 0, num_classes=10, bounds=Bounds(image_size=8, cost=1e-9))
    with pytest.raises(InvalidRequest):
        SpaceNetworks(space="none").graph("train", 0, 0, num_classes=10, bounds=BOUNDS)


def test_a_stacked_ghn_is_trained_on_a_space(tmp_path: Path) -> None:
    config = TrainConfig(
        name="small",
        data="digits",
        steps=2,
        space="ghn1",
        network={**SMALL, "states": 5},
        ghn={"gnn": "stacked", "rounds": 2, "decoder": "mlp", "max_channels": 8, "max_kernel": 7},
        stages=(Stage(image_size=8, meta_batch=2, images=16),),
        threads=1,
        validate_networks=2,
    )
    train(config, tmp_path / "run")
    assert load_checkpoint(tmp_path / "run" / "model").config.gnn == "stacked"
    card = json.loads((tmp_path / "run" / "model" / "card.json").read_text())
    assert card["training"]["space"] == "ghn1"
    assert card["scores"]["ghn1"]["networks"] == 2
