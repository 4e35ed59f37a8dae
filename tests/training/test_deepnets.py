"""The generator: reproducible, varied, inside the bounds of each split."""

from __future__ import annotations

import json

import pytest

from service.errors import InvalidRequest
from service.graph_io.cells.darts import read_darts
from training.cost import network_cost
from training.deepnets import SPLITS, Bounds, architecture, architecture_graph


@pytest.mark.parametrize("split", sorted(SPLITS))
def test_a_split_is_reproducible_and_inside_its_bounds(split: str) -> None:
    rules = SPLITS[split]
    first = [architecture(split, 3, index) for index in range(12)]
    assert first == [architecture(split, 3, index) for index in range(12)]
    assert len({json.dumps(document) for document in first}) == 12
    for document in first:
        graph = read_darts(document)
        assert rules.cells[0] <= document["cells"] <= rules.cells[1]
        assert rules.channels[0] <= document["channels"] <= rules.channels[1]
        assert rules.least_parameters <= graph.num_parameters <= rules.most_parameters


def test_documents_are_plain_json() -> None:
    document = architecture("train", 0, 0)
    assert json.loads(json.dumps(document)) == document


def test_splits_seeds_and_numbers_differ() -> None:
    documents = [
        architecture(*key)
        for key in (("id-val", 0, 0), ("id-test", 0, 0), ("id-val", 1, 0), ("id-val", 0, 1))
    ]
    assert len({json.dumps(document) for document in documents}) == 4


def test_bn_free_networks_have_no_batch_normalisation() -> None:
    for index in range(5):
        assert not any(node.op == "batch_norm" for node in architecture_graph("bn-free", 0, index).nodes)


def test_training_networks_stay_under_a_cost() -> None:
    bounds = Bounds(cost=40, image_size=16, most_channels=48)
    for index in range(20):
        graph = architecture_graph("train", 0, index, bounds=bounds)
        assert network_cost(graph, 16) <= 40


def test_every_primitive_occurs() -> None:
    operators = {node.op for index in range(60) for node in architecture_graph("train", 0, index).nodes}
    assert {
        "conv",
        "batch_norm",
        "layer_norm",
        "attention",
        "channel_gate",
        "max_pool",
        "avg_pool",
        "position",
    } <= operators


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        architecture("test", 0, 0)
    assert refused.value.extra["field"] == "split"
