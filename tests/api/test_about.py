"""What lists tell of jobs, so that a user finds one again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from service.api.architectures import GRAPH_EXAMPLE, NASBENCH201_EXAMPLE, TORCHVISION_EXAMPLE
from service.settings import Settings
from service.store.connection import connect
from service.store.workers import WorkerInfo, WorkerRegistry

from .fake_worker import FakeWorker
from .onnx_files import small_onnx

NOTHING = {"name": None, "task": None, "model": None, "space": None, "architectures": None}
ASYNC = {"Prefer": "respond-async"}


async def listed(client: httpx.AsyncClient, path: str = "/jobs") -> dict[str, Any]:
    """What the newest job of a list is about."""
    entry = (await client.get(path)).json()["jobs"][0]
    assert (await client.get(entry["links"]["self"])).json()["about"] == entry["about"]
    return dict(entry["about"])


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({**GRAPH_EXAMPLE, "name": "mine"}, "mine"),
        (GRAPH_EXAMPLE, None),
        (TORCHVISION_EXAMPLE, "resnet50"),
        ({**GRAPH_EXAMPLE, "name": "x" * 200 + "\x1b"}, "x" * 100),
    ],
)
async def test_a_prediction_has_the_name_of_its_network(
    client: httpx.AsyncClient, worker: FakeWorker, document: dict[str, Any], name: str | None
) -> None:
    await client.post("/predict-weights", json={"architecture": document}, headers=ASYNC)
    assert await listed(client) == {**NOTHING, "name": name, "model": "test-ghn"}


async def test_a_file_has_its_name_also_when_the_answer_is_known(
    client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    for name in ("first.onnx", "second.onnx"):
        form = {"architecture": (name, small_onnx())}
        job = (await client.post("/predict-weights", files=form)).json()
        assert job["about"]["name"] == name
        worker.jobs.redis.delete(f"wc:job:{job['id']}")


async def test_a_list_of_architectures_has_their_number(
    client: httpx.AsyncClient, worker: FakeWorker, api_settings: Settings
) -> None:
    WorkerRegistry(connect(api_settings)).announce(WorkerInfo(queue="rank", name="fake:2"), 600)
    for path, model in (("/rank-architectures", "structure"), ("/embed-architectures", "test-ghn")):
        option = {"predictor": model} if model == "structure" else {"model": model}
        body = {"architectures": [NASBENCH201_EXAMPLE] * 3, **option}
        assert (await client.post(path, json=body, headers=ASYNC)).status_code == 202
        assert await listed(client) == {**NOTHING, "model": model, "architectures": 3}


async def test_a_training_has_its_kind_and_its_name(
    client: httpx.AsyncClient, api_settings: Settings
) -> None:
    registry = WorkerRegistry(connect(api_settings))
    for queue in ("training", "rank"):
        registry.announce(WorkerInfo(queue=queue, name="fake:2"), 600)
    seen = [{"architecture": NASBENCH201_EXAMPLE, "value": number} for number in range(8)]
    search = {"space": "nasbench201", "evaluations": 5, "predictor": "structure"}
    for asked, about in (
        ({"kind": "ghn", "name": "mine", "config": {"steps": 1}}, {"name": "mine", "task": "ghn"}),
        (
            {"kind": "predictor", "name": "other", "config": {"observations": seen}},
            {"name": "other", "task": "predictor", "architectures": 8},
        ),
        (
            {"kind": "search", "config": search},
            {"task": "search", "space": "nasbench201", "model": "structure"},
        ),
    ):
        assert (await client.post("/training-jobs", json=asked)).status_code == 202
        assert await listed(client, "/training-jobs") == {**NOTHING, **about}
