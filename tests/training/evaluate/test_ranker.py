"""Ranking by what predicted weights do, on a few digits."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from service.errors import UnknownModel
from service.executor.networks import Network
from service.ghn.registry import load_model
from service.graph_io.read import read_document
from service.predictors.rankers.ranking import Candidate, rank
from training.data.dataset import batches, load_dataset
from training.evaluate.accuracy import measure, predicted_parameters
from training.evaluate.ranker import PredictedWeightsRanker

CELLS = ("nor_conv_3x3", "skip_connect")


def document(operation: str) -> dict[str, object]:
    cell = f"|{operation}~0|+|none~0|{operation}~1|+|none~0|none~1|{operation}~2|"
    return {"format": "nasbench201", "cell": cell, "channels": 4, "cells_per_stage": 1, "image_size": 16}


def test_networks_are_ordered_by_what_they_score() -> None:
    dataset = load_dataset("digits")
    ranker = PredictedWeightsRanker("ghn2-cifar10", dataset, by="loss", images=64)
    candidates = [Candidate(index, document(operation)) for index, operation in enumerate(CELLS)]
    answer = rank([*candidates, Candidate(2, {"format": "graph", "nodes": []})], ranker)
    assert answer["predictor"] == "predicted-weights:ghn2-cifar10"
    assert "64 validation images" in answer["note"]
    assert [row["index"] for row in answer["skipped"]] == [2]
    losses = [row["loss"] for row in answer["ranking"]]
    assert losses == sorted(losses)
    first = answer["ranking"][0]
    assert first["score"] == pytest.approx(ranker.score(candidates[first["index"]].document), abs=1e-5)

    # The loss is that of the network's own logits; one batch here.
    ghn, graph = load_model("ghn2-cifar10").ghn, read_document(document(CELLS[0]))
    images, labels = next(batches(dataset, dataset.validation, 64))
    network, params = Network(graph), predicted_parameters(ghn, graph)
    with torch.no_grad():
        logits = network(images, params)
    accuracy, loss = measure(network, params, dataset, dataset.validation, limit=64)
    assert loss == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-5)
    assert accuracy == pytest.approx(100 * float((logits.argmax(1) == labels).float().mean()))


def test_an_unknown_ghn_is_refused() -> None:
    with pytest.raises(UnknownModel):
        PredictedWeightsRanker("none-such", load_dataset("digits"))
