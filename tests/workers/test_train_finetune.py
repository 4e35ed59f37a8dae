"""The process of a fine-tuning job: what it leaves, and how it says no."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.numpy import load

from service.graph_io.json_writer import graph_document
from service.graph_io.torch_tracer import trace
from service.settings import Settings
from service.store.object_store import open_artifacts
from service.workers.job_process import PROBLEM, REFUSED, RESULT
from tests.cli.conftest import SMALL_GRAPH
from tests.job_runs import run_job

SMALL: dict[str, Any] = {
    "architecture": SMALL_GRAPH, "start": "predicted", "epochs": 1, "images": 64, "batch_size": 32
}  # fmt: skip

SEVEN_CLASSES = {
    **SMALL_GRAPH,
    "nodes": [
        *SMALL_GRAPH["nodes"][:-1],
        {**SMALL_GRAPH["nodes"][-1], "params": {"weight": {"name": "fc.weight", "shape": [7, 8]}}},
    ],
}


def run(settings: Settings, config: dict[str, Any]) -> int:
    return run_job("finetune", settings.home / "run", config)


def test_the_weights_become_an_artifact(tiny: Settings) -> None:
    assert run(tiny, SMALL) == 0
    result = json.loads((tiny.home / "run" / RESULT).read_text())
    assert result["weights"]["url"] == f"/weights/{result['digest']}.safetensors"
    data = open_artifacts(tiny).read_bytes(f"{result['digest']}.safetensors")
    assert len(data) == result["weights"]["size"] and result["weights"]["sha256"] == result["digest"]
    shapes = {name: list(values.shape) for name, values in load(data).items()}
    assert shapes == {"conv.weight": [8, 3, 3, 3], "fc.weight": [10, 8], "fc.bias": [10]}
    assert result["start"]["model"] == "tiny" and [entry["epoch"] for entry in result["history"]] == [0, 1]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"architecture": None}, "/config/architecture"),
        ({"architecture": {"format": "gif"}}, "/config/architecture/format"),
        ({"data_dir": "/etc"}, "/config/data_dir"),
        ({"data": "../outside"}, "/config/data"),
        ({"no_such_option": 1}, "/config/no_such_option"),
        ({"batch_size": 1}, "/config/batch_size"),
        ({"architecture": SEVEN_CLASSES}, "/config/architecture"),
        ({"model": "ranker"}, "/config/model"),
    ],
)
def test_a_wrong_request_leaves_a_problem_document(
    tiny: Settings, config: dict[str, Any], field: str
) -> None:
    asked = {name: value for name, value in {**SMALL, **config}.items() if value is not None}
    assert run(tiny, asked) == REFUSED
    problem = json.loads((tiny.home / "run" / PROBLEM).read_text())
    assert problem["status"] == 422 and problem.get("field") == field


def test_a_training_that_diverges_leaves_a_problem_document(tiny: Settings) -> None:
    deep = [torch.nn.Linear(16, 16) for _ in range(5)]
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 16), *deep, torch.nn.Linear(16, 10))
    graph = graph_document(trace(module, input_shape=(3, 8, 8)))
    assert run(tiny, {**SMALL, "architecture": graph, "epochs": 40, "learning_rate": 10}) == REFUSED
    problem = json.loads((tiny.home / "run" / PROBLEM).read_text())
    assert problem["type"].endswith("/training-diverged") and problem["field"] == "/config/learning_rate"
    assert not (tiny.home / "run" / RESULT).exists()
