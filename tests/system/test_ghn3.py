"""A GHN-3 through the whole service: trained by a job, then everything that a GHN-2 does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.served import RunningService
from service.client import Client
from service.ghn.checkpoint import load_checkpoint
from service.graph_io.json_writer import graph_document
from service.graph_io.torch_tracer import trace

pytestmark = [pytest.mark.system, pytest.mark.timeout(400), pytest.mark.xdist_group("service")]

GHN = {"gnn": "transformer", "hidden": 16, "layers": 2, "heads": 4, "max_channels": 8}
TRAINING: dict[str, Any] = {
    "data": "digits",
    "steps": 3,
    "ghn": GHN,
    "stages": [{"image_size": 8, "cost": 5, "most_channels": 16, "meta_batch": 2, "images": 16}],
    "log_steps": 1,
    "validate_networks": 1,
}


@pytest.fixture(scope="module", autouse=True)
def third(service: RunningService) -> dict[str, Any]:
    """The job that trained a GHN-3 of that name."""
    job = service.post("/training-jobs", {"kind": "ghn", "name": "third", "config": TRAINING}).json()
    done = service.final(job["id"], 200)
    assert done["status"] == "succeeded" and done["result"]["steps"] == 3, done
    return done


def network(width: int = 8) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(width, 10),
    )  # fmt: skip


def test_its_training_was_told(service: RunningService, third: dict[str, Any]) -> None:
    assert service.get(f"/jobs/{third['id']}/events").text.count("event: metrics") >= 3


def test_its_name_is_taken(service: RunningService) -> None:
    again = service.post("/training-jobs", {"kind": "ghn", "name": "third", "config": TRAINING})
    assert again.status_code == 409


def test_it_is_a_model_like_others(service: RunningService) -> None:
    (card,) = [model for model in service.get("/models").json()["models"] if model["name"] == "third"]
    assert card["kind"] == "ghn" and card["num_classes"] == 10
    assert load_checkpoint(service.home / "models" / "third").config.to_dict().items() >= GHN.items()


def test_it_predicts_and_embeds(service: RunningService) -> None:
    module = network()
    with Client(service.url) as client:
        weights = client.predict_weights(module, model="third")
        weights.apply_to(module)
        found = client.embed_architectures([network(8), network(12)], model="third")
    assert weights.model == "third" and weights.coverage == 1
    assert all(bool(torch.isfinite(p).all()) for p in module.parameters())
    assert torch.isfinite(module(torch.randn(4, 3, 8, 8))).all()
    values = np.array(found.embeddings)
    assert values.shape == (2, 16) and np.isfinite(values).all() and not np.array_equal(*values)


def test_a_network_of_torchvision_with_attention(service: RunningService) -> None:
    body = {"architecture": {"format": "torchvision", "name": "vit_b_16"}, "model": "third"}
    answer = service.post("/predict-weights", body, Prefer="wait=60")
    assert answer.status_code == 200 and answer.json()["result"]["complete"], answer.text


def test_a_predictor_is_fitted_on_its_embeddings_and_ranks(service: RunningService) -> None:
    documents = [graph_document(trace(network(width))) for width in range(8, 40, 2)]
    observations = [{"architecture": d, "value": float(i)} for i, d in enumerate(documents)]
    config = {"observations": observations, "ghn": "third"}
    job = service.post("/training-jobs", {"kind": "predictor", "name": "by-third", "config": config}).json()
    assert service.final(job["id"], 120)["status"] == "succeeded"
    body = {"architectures": documents, "predictor": "by-third"}
    answer = service.post("/rank-architectures", body, Prefer="wait=60")
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["result"]["ranking"]) == len(documents)


def test_its_prediction_is_fine_tuned(service: RunningService) -> None:
    module = network()
    with Client(service.url) as client:
        tuned = client.fine_tune(
            module, data="digits", model="third", start="predicted", epochs=2, images=256,
            input_shape=(3, 8, 8),
        )  # fmt: skip
    assert [entry.epoch for entry in tuned.history] == [0, 1, 2] and tuned.start["model"] == "third"
    module.load_state_dict(tuned.state_dict())


def test_it_is_trained_further_and_keeps_what_it_is(service: RunningService) -> None:
    config = {**{key: value for key, value in TRAINING.items() if key != "ghn"}, "from_model": "third"}
    job = service.post("/training-jobs", {"kind": "ghn", "name": "fourth", "config": config}).json()
    assert service.final(job["id"], 200)["status"] == "succeeded"
    assert load_checkpoint(service.home / "models" / "fourth").config.is_transformer
