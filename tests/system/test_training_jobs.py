"""Training jobs through the API: resumed when their worker dies, cancelled; a fine-tuning; a SMASH model.
`test_ghn3` follows one to a model that is used.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from safetensors.torch import load
from torch import nn

from benchmarks.served import RunningService, command_of, soon
from service.contract.kinds import KINDS
from service.graph_io.json_writer import graph_document
from service.graph_io.torch_tracer import trace

pytestmark = [pytest.mark.system, pytest.mark.timeout(400), pytest.mark.xdist_group("service")]

SMALL: dict[str, Any] = {
    "data": "digits",
    "ghn": {"hidden": 8, "max_channels": 8},
    "stages": [{"image_size": 8, "cost": 5, "most_channels": 16, "meta_batch": 1, "images": 16}],
    "log_steps": 1,
    "validate_networks": 1,
    "checkpoint_minutes": 0.005,
}
ENDLESS = 100_000


def train(service: RunningService, name: str, steps: int) -> dict[str, Any]:
    body = {"kind": "ghn", "name": name, "config": {**SMALL, "steps": steps}}
    answer = service.post("/training-jobs", body)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def steps_done(service: RunningService, job: dict[str, Any]) -> int:
    """The last step in the trainer's own record."""
    path = service.home / "runs" / job["id"] / "metrics.jsonl"
    return path.read_text().count('"kind": "train"') if path.exists() else 0


def trainers(service: RunningService) -> list[int]:
    return [p.pid for p in service.children() if KINDS["ghn"].run in command_of(p)]


def test_training_goes_on_after_the_death_of_its_worker_and_is_cancelled_within_ten_seconds(
    service: RunningService,
) -> None:
    job = train(service, "endless", steps=ENDLESS)
    run = service.home / "runs" / job["id"]
    soon(lambda: list(run.glob("checkpoint-*")), 120)
    (trainer,) = trainers(service)
    service.workers("training")[0].kill()
    soon(lambda: trainers(service) not in ([], [trainer]), 120)
    before = steps_done(service, job)
    soon(lambda: steps_done(service, job) > before, 120)
    assert service.get(f"/jobs/{job['id']}").json()["status"] == "running"
    asked = time.monotonic()
    service.delete(f"/jobs/{job['id']}")
    assert service.final(job["id"], 15)["status"] == "cancelled"
    assert time.monotonic() - asked < 10 and trainers(service) == []


def small_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def test_a_network_is_fine_tuned_through_the_death_of_its_worker(service: RunningService) -> None:
    graph = graph_document(trace(small_network(), input_shape=(3, 8, 8)))
    config = {
        "architecture": graph, "data": "digits", "start": "predicted", "head": "keep", "epochs": 60,
        "learning_rate": 0.1,
    }  # fmt: skip
    answer = service.post("/training-jobs", {"kind": "finetune", "name": "mine", "config": config})
    assert answer.status_code == 202, answer.text
    job = answer.json()
    history = service.home / "runs" / job["id"] / "history.json"
    soon(lambda: history.exists() and len(json.loads(history.read_text())["records"]["predicted"]) > 3, 120)
    service.workers("training")[0].kill()
    done = service.final(job["id"], 180)
    assert done["status"] == "succeeded" and done["about"]["task"] == "finetune", done
    result = done["result"]
    assert [entry["epoch"] for entry in result["history"]] == list(range(61))
    assert result["test_accuracy"] > 60 > result["history"][0]["validation_accuracy"]
    told = service.get(f"/jobs/{job['id']}/events").text
    assert told.count('"validation_accuracy"') >= 61
    weights = service.get(result["weights"]["url"])
    small_network().load_state_dict(load(weights.content))  # strict
    assert list((service.home / "runs" / job["id"]).glob("*.safetensors")) == []


def test_a_smash_hypernetwork_becomes_a_model(service: RunningService) -> None:
    space = {"unit": 4, "blocks": 1, "banks": 2, "layers": 1, "hidden": 8, "depth": 1}
    config = {
        "steps": 3,
        "model": space,
        "image_size": 8,
        "images": 8,
        "validate_networks": 2,
        "log_steps": 1,
    }
    answer = service.post("/training-jobs", {"kind": "smash", "name": "my-smash", "config": config})
    assert answer.status_code == 202, answer.text
    done = service.final(answer.json()["id"], 120)
    assert done["status"] == "succeeded" and done["about"]["task"] == "smash", done
    assert done["result"]["model"] == "my-smash" and done["result"]["steps"] == 3
    assert service.get(f"/jobs/{done['id']}/events").text.count('"loss"') >= 3
    card = service.get("/models/my-smash").json()
    assert card["kind"] == "smash" and card["scores"]["generated"] == done["result"]["scores"]
    cell = {"format": "smash", "blocks": [{"banks": 1, "bank_channels": 4, "layers": []}]}
    ranking = {"architectures": [cell], "predictor": "my-smash"}
    refused = service.post("/rank-architectures", ranking)
    assert refused.status_code == 422 and refused.json()["field"] == "/predictor"
