"""The `Idempotency-Key` header: a repeated request gets the job of the first one instead of a second job."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import Header

from service.api.keys import Principal
from service.api.kit.failures import asks_to_try_later
from service.store.jobs import JobStore
from service.store.records import Job

IdempotencyKey = Annotated[
    str | None,
    Header(max_length=255, description="A repeated request with the same key returns the same job."),
]


async def once(
    jobs: JobStore,
    caller: Principal,
    route: str,
    key: str | None,
    body: str,
    start: Callable[[], Awaitable[Job]],
) -> Job:
    """`start()`, or the job that it gave when this caller used `key` at this route before.

    body: digest of the request; the same key with another one is refused (InvalidRequest). Conflict while the
    first request is still being worked on.
    """
    if not key:
        return await start()
    scoped = hashlib.sha256(f"{caller.id} {route} {key}".encode()).hexdigest()
    existing = await anyio.to_thread.run_sync(jobs.idempotency, scoped, body)
    if existing is not None:
        job = await anyio.to_thread.run_sync(jobs.get, existing)
        if job is not None and not asks_to_try_later(job):
            return job
    try:
        job = await start()
    except BaseException:
        # Shielded: a caller that hangs up must not leave its key reserved.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(jobs.release_idempotency, scoped)
        raise
    await anyio.to_thread.run_sync(jobs.bind_idempotency, scoped, body, job.id)
    return job
