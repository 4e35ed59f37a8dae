"""Waiting for a job without polling: one reader a job, however many requests wait for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request

from service.store.event_stream import LONGEST_BLOCK_SECONDS, EventStream
from service.store.jobs import JobStore
from service.store.records import Job


@dataclass(slots=True)
class _Follower:
    task: asyncio.Task[Job | None]
    waiting: int = 0


class JobWatcher:
    """Tells when jobs end. 1,000 requests that wait for one job cost Redis a single blocked connection."""

    def __init__(self, jobs: JobStore, events: EventStream) -> None:
        self._jobs = jobs
        self._events = events
        self._followers: dict[str, _Follower] = {}

    async def wait(self, job: Job, seconds: float, request: Request) -> Job | None:
        """The job once it is final, or as it is after `seconds`; None when its record has gone.

        ClientDisconnect as soon as the caller of `request` (whose body has been read) hangs up. The job goes
        on: others may share it, and its answer is kept.
        """
        if job.is_final or seconds <= 0:
            return job
        follower = self._followers.get(job.id)
        if follower is None or follower.task.done():
            follower = self._followers[job.id] = _Follower(asyncio.create_task(self._follow(job.id)))
        follower.waiting += 1
        try:
            with anyio.move_on_after(seconds):
                return await _while_there(request, follower.task)
        finally:
            follower.waiting -= 1
            if follower.waiting == 0:
                follower.task.cancel()
                if self._followers.get(job.id) is follower:
                    del self._followers[job.id]
        return await anyio.to_thread.run_sync(self._jobs.get, job.id)

    async def _follow(self, job_id: str) -> Job | None:
        while True:
            # Not the events: a job tells its progress more often than anybody here wants to know.
            await self._events.end(job_id, LONGEST_BLOCK_SECONDS)
            job = await anyio.to_thread.run_sync(self._jobs.get, job_id)
            if job is None or job.is_final:
                return job


async def _while_there(request: Request, following: asyncio.Task[Job | None]) -> Job | None:
    """What `following` gives. It is left alone by a request that gives up: others may be waiting for it."""
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({following, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not following.done():
            raise ClientDisconnect
        return following.result()
    finally:
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
