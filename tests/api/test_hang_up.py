"""Callers who go away during `Prefer: wait` are noticed at once; the job, which others may share, goes on."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import httpx
import structlog.testing
from fastapi import FastAPI

from service.api.architectures import TORCHVISION_EXAMPLE
from service.store.records import JobStatus

from .fake_worker import FakeWorker

BODY = json.dumps({"architecture": TORCHVISION_EXAMPLE}).encode()


async def call_and_hang_up(
    app: FastAPI, method: str, path: str, body: bytes, query: bytes = b""
) -> list[Any]:
    """Send a request, wait until it is being worked on, hang up. Returns what was sent to nobody."""
    sent: list[Any] = []
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": body, "more_body": False})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"prefer", b"wait=30"),
        ],
        "client": ("127.0.0.1", 1),
        "scheme": "http",
        "server": ("test", 80),
    }
    running = asyncio.create_task(app(scope, messages.get, send))  # type: ignore[arg-type]
    await asyncio.sleep(0.5)
    assert not running.done()
    messages.put_nowait({"type": "http.disconnect"})
    await asyncio.wait_for(running, 2)
    return sent


async def test_a_prediction_outlives_its_caller(
    app: FastAPI, client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.seconds = 2.0
    started = time.monotonic()
    with structlog.testing.capture_logs() as lines:
        assert await call_and_hang_up(app, "POST", "/predict-weights", BODY) == []
    assert time.monotonic() - started < 1.8, "noticed at once, not when the job was done"
    (line,) = [line for line in lines if line["event"] == "request.done"]
    assert line["status"] == 499 and not [line for line in lines if line["event"] == "request.crashed"]
    answer = await client.post("/predict-weights", content=BODY, headers={"content-type": "application/json"})
    assert answer.status_code == 200 and sum(worker.runs.values()) == 1, "the same job, never cancelled"
    assert 'status="499"' in (await client.get("/metrics")).text


async def test_one_of_two_who_wait_for_a_job_goes_away(
    app: FastAPI, client: httpx.AsyncClient, worker: FakeWorker
) -> None:
    worker.seconds = 1.2
    queued = await client.post(
        "/predict-weights",
        content=BODY,
        headers={"content-type": "application/json", "Prefer": "respond-async"},
    )
    path = queued.headers["location"]
    stays = asyncio.create_task(client.get(f"{path}?wait=20"))
    assert await call_and_hang_up(app, "GET", path, b"", b"wait=20") == []
    assert (await stays).json()["status"] == JobStatus.SUCCEEDED
