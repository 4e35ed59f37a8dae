"""Bodies, requests a minute, queues: every limit refuses early and says what it is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.api.architectures import GRAPH_EXAMPLE
from service.settings import Settings
from service.store.jobs import JobStore

from .asgi import client_of
from .checks import assert_problem
from .fake_worker import FakeWorker


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 1000):
        yield bytes(1000)


async def test_a_large_body_is_refused_by_its_length(api_settings: Settings) -> None:
    async with client_of(api_settings.model_copy(update={"max_body_bytes": 5000})) as client:
        response = await client.post("/predict-weights", content=bytes(6000))
        problem = assert_problem(response, 413, "limit-exceeded")
        assert (problem["limit"], problem["value"]) == (5000, 6000)


@pytest.mark.parametrize(
    "media_type", ["application/octet-stream", "application/json", "multipart/form-data; boundary=x"]
)
async def test_a_large_body_is_refused_while_it_streams(api_settings: Settings, media_type: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="architecture"; filename="m"\r\n\r\n'
        while True:
            sent += 1000
            yield bytes(1000)

    async with client_of(api_settings.model_copy(update={"max_body_bytes": 50_000})) as client:
        response = await client.post(
            "/predict-weights", content=endless(), headers={"Content-Type": media_type}
        )
        assert_problem(response, 413, "limit-exceeded")
    assert sent <= 60_000


async def test_architectures_have_limits_too(api_settings: Settings, worker: FakeWorker) -> None:
    async with client_of(api_settings.model_copy(update={"max_nodes": 3, "max_parameters": 100})) as client:
        response = await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE})
        assert_problem(response, 413, "limit-exceeded")
        limits = (await client.get("/limits")).json()
        assert (limits["max_nodes"], limits["max_parameters"], limits["max_rank"]) == (3, 100, 8)


async def test_requests_a_minute(api_settings: Settings, worker: FakeWorker) -> None:
    settings = api_settings.model_copy(update={"requests_per_minute": 3})
    async with client_of(settings, "203.0.113.7") as client, client_of(settings, "203.0.113.8") as other:
        for left in (2, 1, 0):
            response = await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE})
            assert response.status_code == 200
            assert response.headers["ratelimit"] == f'"requests";r={left};t=0'
        response = await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE})
        problem = assert_problem(response, 429, "too-many-requests")
        assert 1 <= int(response.headers["retry-after"]) <= 20 and problem["limit"] == 3
        assert response.headers["ratelimit-policy"] == '"requests";q=3;w=60'
        assert (await client.get("/models")).status_code == 200
        assert (await other.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE})).status_code == 200


async def test_a_full_queue(api_settings: Settings, worker: FakeWorker) -> None:
    async with client_of(api_settings.model_copy(update={"queue_limit": 1})) as client:
        worker.jobs.redis.lpush("training", *["x"] * 5)
        assert (
            await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE})
        ).status_code == 200
        worker.seconds = 5
        for width in (8, 16, 24):
            graph = json.loads(json.dumps(GRAPH_EXAMPLE).replace("32", str(width)))
            response = await client.post(
                "/predict-weights", json={"architecture": graph}, headers={"Prefer": "wait=0"}
            )
            await _settle(worker)
        problem = assert_problem(response, 503, "unavailable")
        assert problem["queue"] == "predict" and problem["limit"] == 1


async def _settle(worker: FakeWorker) -> None:
    """Until the worker has taken a waiting message, if it is free to."""
    import anyio

    await anyio.sleep(0.3)


async def test_jobs_of_one_caller(api_settings: Settings, worker: FakeWorker) -> None:
    store = JobStore.from_settings(api_settings)
    for number in range(2):
        store.create("predict", key=f"k{number}", payload={}, owner="ip-203.0.113.7", queue="predict")
    async with client_of(api_settings.model_copy(update={"queued_jobs_per_key": 2}), "203.0.113.7") as client:
        response = await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE})
        assert_problem(response, 429, "too-many-requests")


async def test_redis_away(api_settings: Settings) -> None:
    settings = api_settings.model_copy(update={"redis_url": "unix:///nowhere/redis.sock"})
    async with client_of(settings) as client:
        responses: list[Any] = [
            await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE}),
            await client.get(f"/jobs/{'0' * 32}"),
        ]
        for response in responses:
            assert_problem(response, 503, "unavailable")
            assert "retry-after" in response.headers
        assert (await client.get("/livez")).status_code == 200
        ready = await client.get("/readyz")
        assert ready.status_code == 503 and ready.json()["checks"]["redis"]["ok"] is False
        assert "weightcast_redis_up 0.0" in (await client.get("/metrics")).text
