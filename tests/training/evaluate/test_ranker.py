"""Ranking by what predicted weights do, on a few digits."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from service.errors import UnknownModel, UnsupportedOperator
from service.executor.networks import Network
from service.ghn.registry import load_model
from service.graph_io.read import read_document
from service.graph_io.torch_tracing.onnx_operators.table import OPERATORS
from service.predictors.rankers.ranking import Candidate, rank
from tests.torchscript_exporter import export
from training.data.dataset import batches
from training.data.load import load_dataset
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
    answer = rank([*candidates, Candidate(2, {"format": "graph", "nodes": []})], ranker).as_json()
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


def test_a_note_says_if_the_ghn_knows_other_classes() -> None:
    digits = load_dataset("digits")
    note = PredictedWeightsRanker("ghn2-cifar10", digits).note
    assert note is not None and "knows other classes than digits has: airplane, automobile," in note
    named = replace(
        digits, name="cifar10", classes=load_model("ghn2-cifar10").card.trained_data[0].classes or ()
    )
    note = PredictedWeightsRanker("ghn2-cifar10", named).note
    assert note is not None and note.endswith("validation images of cifar10.")


def test_an_unknown_ghn_is_refused() -> None:
    with pytest.raises(UnknownModel):
        PredictedWeightsRanker("none-such", load_dataset("digits"))


def test_a_file_is_run_by_its_program_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nodes have no slopes of a PReLU: such a network had no score."""
    layers = (nn.Conv2d(3, 4, 3), nn.PReLU(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    file = export(nn.Sequential(*layers), (torch.zeros(1, 3, 16, 16),))
    ranker = PredictedWeightsRanker("ghn2-cifar10", load_dataset("digits"), images=64)
    sent = {"format": "onnx", "data": base64.b64encode(file).decode()}
    assert 0 <= ranker.score(sent) <= 100
    monkeypatch.setitem(OPERATORS, "PRelu", lambda attrs, inputs: inputs[0].relu())
    with pytest.raises(UnsupportedOperator, match=r"\(PRelu\) is the first that differs"):
        ranker.score(sent)
