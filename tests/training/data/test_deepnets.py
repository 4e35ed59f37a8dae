"""The generator: reproducible, varied, inside the bounds of each split."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
import torch

from benchmarks.ghn_variants import ABLATIONS, ablation_config
from benchmarks.split_statistics import graph_statistics, summarise
from service.errors import InvalidRequest
from service.executor.cost import network_cost
from service.executor.networks import Network
from service.ghn.config import GHNConfig
from service.graph_io.cells.darts import read_darts
from service.graph_io.digest import graph_digest
from service.graph_io.read import read_document
from training.data.deepnets import (
    SPLITS,
    VERSION,
    Bounds,
    architecture,
    architecture_graph,
    architecture_name,
    architectures,
)
from training.ghn.recipe import Stage
from training.loop.network_training import random_parameters


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


def test_widened_networks_are_those_of_id_test() -> None:
    rules = SPLITS["wide"]
    inside = 0
    for index in range(8):
        narrow, wide = architecture("id-test", 3, index), architecture("id-test-wide", 3, index)
        assert {**wide, "channels": 0} == {**narrow, "channels": 0} and wide["channels"] > narrow["channels"]
        graph = architecture_graph("id-test-wide", 3, index)
        assert graph.num_parameters == read_darts(wide).num_parameters <= rules.most_parameters
        inside += graph.num_parameters >= rules.least_parameters
    assert inside >= 6


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
    assert refused.value.extra["field"] == "/split"


# Of the first five documents of every split, seed 0. When the generator changes: raise VERSION, and say that
# scores from before do not compare.
FINGERPRINTS = {
    "train": "0d6bf868403dd746",
    "id-val": "da5cd6825762e263",
    "id-test": "532fa883db865110",
    "wide": "ebbf544099e0ab26",
    "deep": "ac390ddec9320a17",
    "dense": "889efa8941f96461",
    "bn-free": "ac09dbbed1852a46",
}


@pytest.mark.parametrize("split", sorted(SPLITS))
def test_a_version_of_the_generator_always_makes_the_same(split: str) -> None:
    documents = list(architectures(split, 0, 5))
    text = json.dumps(documents, sort_keys=True).encode()
    assert (VERSION, sha256(text).hexdigest()[:16]) == (1, FINGERPRINTS[split])


def test_predefined_architectures() -> None:
    names = [architecture_name("predefined", 0, index) for index in range(2)]
    assert names == ["resnet-50", "vit"]
    graphs = [architecture_graph("predefined", 0, index) for index in range(2)]
    # Table 1 of the paper: 23.5 and 1.0 M; He et al.'s network without 40 of the 49 positions of its stem.
    assert [graph.num_parameters for graph in graphs] == [23_520_842, 1_012_234]
    for document, graph in zip(architectures("predefined", 0, 10), graphs, strict=True):
        assert graph_digest(read_document(json.loads(json.dumps(document)))) == graph_digest(graph)
    with pytest.raises(InvalidRequest):
        architecture("predefined", 0, 2)


@pytest.mark.parametrize("index", [0, 1])
def test_predefined_architectures_run(index: int) -> None:
    graph = architecture_graph("predefined", 0, index)
    logits = Network(graph)(torch.zeros(2, 3, 32, 32), random_parameters(graph))
    assert logits.shape == (2, 10) and bool(torch.isfinite(logits).all())


def test_statistics_of_a_chain() -> None:
    graph = read_document(
        {
            "format": "graph",
            "input_shape": [3, 8, 8],
            "nodes": [
                {"name": "x", "op": "input"},
                {
                    "name": "c",
                    "op": "conv",
                    "inputs": ["x"],
                    "params": {"weight": {"name": "c.w", "shape": [8, 3, 1, 1]}},
                },
                {"name": "p", "op": "global_avg_pool", "inputs": ["c"]},
            ],
            "outputs": ["p"],
        }
    )
    found = graph_statistics(graph, {"cells": 4})
    # Three nodes, two edges; paths of 1, 1 and 2.
    assert (found.nodes, found.cells, found.channels, found.parameters) == (3, 4, None, 24)
    assert (found.degree, found.path, found.depth) == (4 / 3, 4 / 3, 2)
    assert found.primitives == {"input": 1, "conv": 1, "glob_avg": 1} and not found.batch_norm
    summary = summarise([found, found])
    assert summary.quantities["nodes"].mean == 3 and "channels" not in summary.quantities
    assert summary.without_batch_norm == 100
    assert summary.primitives["conv"] == pytest.approx(100 / 3)


@pytest.mark.parametrize("name", list(ABLATIONS))
def test_ablations_differ_from_ghn2_in_one_thing(name: str) -> None:
    stage = Stage(image_size=8, cost=2, meta_batch=4)
    config = ablation_config(name, data="digits", data_dir=None, steps=100, seed=0, stage=stage)
    usual = ablation_config("ghn2", data="digits", data_dir=None, steps=100, seed=0, stage=stage)
    assert (config.learning_rate, config.seed, config.threads) == (usual.learning_rate, 0, 1)
    ablation = ABLATIONS[name]
    assert GHNConfig(**config.ghn) == GHNConfig(**ablation.ghn)
    assert config.stages[0].meta_batch == (ablation.meta_batch or 4)
    networks = config.stages[0].meta_batch * (config.steps or 0)
    assert networks == (100 if ablation.meta_batch == 1 and not ablation.same_networks else 400)


def test_an_unknown_ablation_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        ablation_config("none", data="digits", data_dir=None, steps=1, seed=0, stage=Stage())
