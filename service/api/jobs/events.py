"""A job's history as server-sent events.

    event: state      data: {"status": "running"}
    event: progress   data: {"done": 40, "total": 200, "message": "step 40"}
    event: metrics    data: whatever the trainer reports
    event: end        data: the job; nothing follows

Every event but `end` has the id of its entry in the history, so a client that comes back with Last-Event-ID
goes on where it was. A comment every 15 seconds keeps proxies from closing the line. After 10 minutes the
stream ends without `end`, and the client comes back by itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread

from service.errors import Unavailable
from service.store.event_stream import LONGEST_BLOCK_SECONDS, EventStream
from service.store.jobs import JobStore
from service.store.records import FINAL

PING_SECONDS = 15.0
STREAM_SECONDS = 600.0
RETRY_MILLISECONDS = 1000

# The history holds one metric line an entry; on the wire the event is called after what it carries.
_WIRE_NAMES = {"metric": "metrics"}


class StreamSlots:
    """How many streams may be open at once: each holds a connection to Redis for up to ten minutes."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._open = 0

    async def hold(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass `stream` on while holding a slot."""
        self._open += 1
        try:
            async for part in stream:
                yield part
        finally:
            self._open -= 1

    def check(self) -> None:
        """Errors: Unavailable."""
        if self._open >= self._most:
            raise Unavailable(
                f"{self._most} event streams are open already.",
                retry_after=30,
                limit=self._most,
                hint="Poll the job instead: GET /jobs/{id}?wait=20.",
            )


def encode_event(event: str, data: Any, event_id: str | None = None) -> bytes:
    """One event on the wire. JSON holds no line breaks, so one data line is enough."""
    lines = [f"event: {event}", f"data: {json.dumps(data, separators=(',', ':'))}"]
    if event_id is not None:
        lines.insert(0, f"id: {event_id}")
    return ("\n".join(lines) + "\n\n").encode()


async def job_events(jobs: JobStore, events: EventStream, job_id: str, last_id: str) -> AsyncIterator[bytes]:
    """The events of a job after `last_id`, as they happen, until it ends."""
    yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
    closing = time.monotonic() + STREAM_SECONDS
    last_sent = time.monotonic()
    while time.monotonic() < closing:
        # Read before the events: a job that was final by then has no events that the read could miss.
        job = await anyio.to_thread.run_sync(jobs.get, job_id)
        wait_seconds = 0.0 if job is None or job.is_final else LONGEST_BLOCK_SECONDS
        batch = await events.read(job_id, last_id, wait_seconds)
        for event in batch:
            yield encode_event(_WIRE_NAMES.get(event.type, event.type), event.data, event.id)
            last_id, last_sent = event.id, time.monotonic()
        if batch and batch[-1].data.get("status") in FINAL:
            job = await anyio.to_thread.run_sync(jobs.get, job_id)
        if job is None or (job.is_final and len(batch) < 500):
            yield encode_event("end", job.model_dump(mode="json") if job else None)
            return
        if time.monotonic() - last_sent >= PING_SECONDS:
            yield b": ping\n\n"
            last_sent = time.monotonic()
