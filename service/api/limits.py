"""How much one caller may ask for: requests a minute, unfinished jobs, and how full a queue may be.

Only calls that ask for work are counted; looking at it is free. On loopback without keys nothing is counted:
whoever reaches that address owns the machine.
"""

from __future__ import annotations

from ipaddress import ip_address

import anyio.to_thread
from starlette.requests import Request

from service.api.keys import Principal
from service.api.middleware import record_of
from service.errors import TooManyRequests, Unavailable
from service.settings import Settings
from service.store.jobs import JobStore
from service.store.limits import RateLimiter
from service.store.workers import WorkerRegistry

_FREE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WINDOW_SECONDS = 60


class RateLimit:
    """Counts requests by caller and says so in the `RateLimit` fields (IETF httpapi draft)."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    async def check(self, request: Request, caller: Principal) -> None:
        """TooManyRequests (with `retry_after`) where the caller has used up the minute."""
        if request.method in _FREE_METHODS or not self._limiter.per_minute or _owns_machine(caller):
            return
        decision = await anyio.to_thread.run_sync(self._limiter.take, caller.id)
        headers = record_of(request).headers
        headers["RateLimit-Policy"] = f'"requests";q={decision.limit};w={WINDOW_SECONDS}'
        headers["RateLimit"] = f'"requests";r={decision.remaining};t={decision.retry_after_seconds}'
        if not decision.allowed:
            raise TooManyRequests(
                f"This caller may make {decision.limit} requests a minute.",
                retry_after=decision.retry_after_seconds,
                limit=decision.limit,
                hint=f"Try again in {decision.retry_after_seconds} seconds.",
            )


class Admission:
    """Whether one more job may be queued. Refusing at once is kinder than queueing what nobody will run."""

    def __init__(self, settings: Settings, jobs: JobStore, workers: WorkerRegistry) -> None:
        self._settings = settings
        self._jobs = jobs
        self._workers = workers

    def check(self, queue: str, caller: Principal) -> None:
        """Unavailable where no worker serves the queue or it is full, TooManyRequests where the caller's
        share is. Blocking.
        """
        if not self._workers.serves(queue):
            raise Unavailable(
                f"No worker serves the queue {queue!r} at the moment.",
                retry_after=10,
                queue=queue,
                hint=f"The operator can start one: weightcast worker --queues {queue}.",
            )
        depth = self._jobs.queue_depth(queue)
        if depth >= self._settings.queue_limit:
            raise Unavailable(
                f"The queue {queue!r} is full.",
                retry_after=10,
                queue=queue,
                limit=self._settings.queue_limit,
                value=depth,
                hint="Try again later.",
            )
        unfinished = self._jobs.live_count(caller.id)
        if unfinished >= self._settings.queued_jobs_per_key:
            raise TooManyRequests(
                f"This caller has {unfinished} unfinished jobs, "
                f"{self._settings.queued_jobs_per_key} are allowed.",
                retry_after=10,
                limit=self._settings.queued_jobs_per_key,
                value=unfinished,
                hint="Wait for some of them, or cancel them.",
            )


def _owns_machine(caller: Principal) -> bool:
    if not caller.id.startswith("ip-"):
        return False
    try:
        return ip_address(caller.id.removeprefix("ip-")).is_loopback
    except ValueError:
        return False
