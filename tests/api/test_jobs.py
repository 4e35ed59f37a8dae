"""Jobs over HTTP: looking, waiting, following, cancelling."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from service.api.architectures import GRAPH_EXAMPLE
from service.api.jobs.events import StreamSlots, job_events
from service.errors import Unavailable
from service.settings import Settings
from service.store.event_stream import EventStream
from service.store.jobs import JobStore
from service.store.records import Job

from .checks import assert_problem
from .fake_worker import FakeWorker


@pytest.fixture
def store(api_settings: Settings) -> JobStore:
    return JobStore.from_settings(api_settings)


@pytest.fixture
async def events(api_settings: Settings) -> AsyncIterator[EventStream]:
    events = EventStream(str(api_settings.redis_url))
    yield events
    await events.close()


def make(store: JobStore, owner: str = "ip-127.0.0.1", queue: str = "predict") -> Job:
    return store.create("predict", key="", payload={}, owner=owner, queue=queue)


def parse_events(text: str) -> list[tuple[str, Any, str | None]]:
    """(event, data, id) of every event; comments are left out."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "event" in fields:
            events.append((fields["event"], json.loads(fields["data"]), fields.get("id")))
    return events


async def test_a_job_by_its_id(client: httpx.AsyncClient, store: JobStore) -> None:
    job = make(store)
    response = await client.get(f"/jobs/{job.id}")
    document = response.json()
    assert response.status_code == 200 and response.headers["retry-after"] == "1"
    assert document["status"] == "queued" and document["links"]["events"] == f"/jobs/{job.id}/events"
    assert set(document) == {
        *("id", "kind", "about", "status", "created_at", "started_at", "finished_at"),
        *("progress", "result", "error", "links"),
    }


async def test_jobs_that_are_not_there(client: httpx.AsyncClient) -> None:
    for method in ("GET", "DELETE"):
        assert_problem(await client.request(method, f"/jobs/{'0' * 32}"), 404, "not-found")
        assert_problem(await client.request(method, "/jobs/nonsense"), 422, "invalid-request")
    assert_problem(await client.get(f"/jobs/{'0' * 32}/events"), 404)
    assert_problem(await client.get(f"/jobs/{'0' * 32}?wait=soon"), 422)


async def test_waiting_ends_with_the_job(client: httpx.AsyncClient, store: JobStore) -> None:
    job = make(store)
    store.begin(job.id, "t")

    async def finish() -> None:
        await anyio.sleep(0.2)
        store.finish(job.id, {"ok": True}, "t")

    with anyio.fail_after(5):
        answers = await asyncio.gather(
            finish(), *(client.get(f"/jobs/{job.id}", params={"wait": 30}) for _ in range(50))
        )
    assert {answer.json()["status"] for answer in answers if answer is not None} == {"succeeded"}


async def test_waiting_ends_with_the_time(client: httpx.AsyncClient, store: JobStore) -> None:
    job = make(store)
    with anyio.fail_after(3):
        response = await client.get(f"/jobs/{job.id}", params={"wait": 0.3})
    assert response.json()["status"] == "queued"


async def test_the_list_and_its_pages(client: httpx.AsyncClient, store: JobStore) -> None:
    made = [make(store).id for _ in range(5)]
    first = (await client.get("/jobs", params={"limit": 3})).json()
    rest = (await client.get("/jobs", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [job["id"] for job in (*first["jobs"], *rest["jobs"])] == sorted(made, reverse=True)
    assert rest["next_cursor"] is None
    assert (await client.get("/jobs", params={"kind": "training"})).json()["jobs"] == []
    assert_problem(await client.get("/jobs", params={"cursor": "x"}), 422)
    assert_problem(await client.get("/jobs", params={"limit": 0}), 422)


async def test_events_from_start_to_end(client: httpx.AsyncClient, store: JobStore) -> None:
    job = make(store)
    store.begin(job.id, "t")
    store.progress(job.id, 1, 2, "half", token="t")
    store.metric(job.id, {"loss": 2.0}, token="t")
    store.finish(job.id, {"ok": True}, "t")
    response = await client.get(f"/jobs/{job.id}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    events = parse_events(response.text)
    assert [event for event, _, _ in events] == ["state", "state", "progress", "metrics", "state", "end"]
    assert events[2][1] == {"done": 1, "total": 2, "message": "half"}
    assert events[3][1] == {"loss": 2.0}
    assert events[-1][1]["result"] == {"ok": True} and events[-1][2] is None


async def test_events_go_on_where_they_stopped(client: httpx.AsyncClient, store: JobStore) -> None:
    job = make(store)
    store.begin(job.id, "t")
    store.finish(job.id, {}, "t")
    events = parse_events((await client.get(f"/jobs/{job.id}/events")).text)
    rest = await client.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": events[1][2] or ""})
    assert [event for event, _, _ in parse_events(rest.text)] == ["state", "end"]
    seen = await client.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": events[2][2] or ""})
    assert seen.status_code == 204
    nonsense = await client.get(f"/jobs/{job.id}/events", headers={"Last-Event-ID": "nonsense"})
    assert len(parse_events(nonsense.text)) == 4


async def test_events_arrive_as_they_happen(store: JobStore, events: EventStream) -> None:
    job = make(store)
    store.begin(job.id, "t")
    stream = job_events(store, events, job.id, "0-0")
    with anyio.fail_after(5):
        assert (await anext(stream)).startswith(b"retry:")
        assert b'"queued"' in await anext(stream)
        assert b'"running"' in await anext(stream)
        store.progress(job.id, 1, 2, "half", token="t")
        assert b'"half"' in await anext(stream)
        store.finish(job.id, {}, "t")
        assert b'"succeeded"' in await anext(stream)
        assert (await anext(stream)).startswith(b"event: end")
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_quiet_job_is_pinged(
    store: JobStore, events: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.jobs.events.PING_SECONDS", 0.05)
    monkeypatch.setattr("service.api.jobs.events.LONGEST_BLOCK_SECONDS", 0.1)
    monkeypatch.setattr("service.api.jobs.events.STREAM_SECONDS", 0.5)
    job = make(store)
    parts = [part async for part in job_events(store, events, job.id, "0-0")]
    assert b": ping\n\n" in parts and not parts[-1].startswith(b"event: end")


async def test_streams_are_bounded(store: JobStore, events: EventStream) -> None:
    slots = StreamSlots(most=1)
    job = make(store)
    stream = slots.hold(job_events(store, events, job.id, "0-0"))
    await anext(stream)
    with pytest.raises(Unavailable):
        slots.check()
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator has it
    slots.check()


async def test_cancelling(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    worker.seconds, worker.look_seconds = 20, 0.5
    made = await client.post(
        "/predict-weights", json={"architecture": GRAPH_EXAMPLE}, headers={"Prefer": "respond-async"}
    )
    url = made.headers["location"]
    with anyio.fail_after(5):
        while (await client.get(url)).json()["progress"]["done"] == 0:
            await anyio.sleep(0.02)
    asked = await client.delete(url)
    assert asked.status_code == 202
    ended = (await client.get(url, params={"wait": 5})).json()
    assert ended["status"] == "cancelled"
    assert (await client.delete(url)).status_code == 200


async def test_cancelling_a_waiting_job_and_a_finished_one(
    client: httpx.AsyncClient, store: JobStore
) -> None:
    waiting, done = make(store), make(store)
    assert (await client.delete(f"/jobs/{waiting.id}")).json()["status"] == "cancelled"
    store.begin(done.id, "t")
    store.finish(done.id, {}, "t")
    assert_problem(await client.delete(f"/jobs/{done.id}"), 409, "conflict")
