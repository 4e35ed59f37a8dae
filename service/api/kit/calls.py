"""A call that starts a job and may wait for its end, from who asks to the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from service.api.auth import require
from service.api.keys import Principal
from service.api.kit.failures import failure_response
from service.api.kit.idempotency import IdempotencyKey, once
from service.api.kit.jobs import job_response
from service.api.kit.prefer import Preference, parse_prefer
from service.api.middleware import RequestRecord, record_of
from service.api.services import Injected, Services
from service.store.records import Job


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, how long to wait for the answer, and whether it is a repetition."""

    request: Request
    services: Services
    caller: Principal
    preference: Preference
    idempotency_key: str | None

    @property
    def record(self) -> RequestRecord:
        return record_of(self.request)

    async def job(self, route: str, body: str, start: Callable[[], Awaitable[Job]]) -> Job:
        """The job that `start` gives, or gave to this caller before: ended, or as it is when the caller waits
        no longer. body: digest of the request. Raises what `once` raises.
        """
        job = await once(self.services.jobs, self.caller, route, self.idempotency_key, body, start)
        with self.record.stage("wait"):
            return await self.services.watcher.wait(job, self.preference.wait_seconds, self.request) or job

    def failure(self, job: Job) -> Response | None:
        """The problem of a job that failed at once, where that is the answer."""
        return failure_response(self.request, job, self.preference.headers)

    def answer(self, job: Job, **headers: str) -> Response:
        """200 or 202 with the job."""
        return job_response(job, headers={**self.preference.headers, **headers})


async def _predict_call(
    request: Request,
    services: Injected,
    caller: Annotated[Principal, Depends(require("predict"))],
    prefer: Annotated[str | None, Header(description="`wait=N` seconds, or `respond-async`.")] = None,
    idempotency_key: IdempotencyKey = None,
) -> Call:
    preference = _preference(services, prefer, services.settings.default_wait_seconds)
    return Call(request, services, caller, preference, idempotency_key)


async def _training_call(
    request: Request,
    services: Injected,
    caller: Annotated[Principal, Depends(require("train"))],
    prefer: Annotated[str | None, Header(description="`wait=N` seconds; 0 where nothing is said.")] = None,
    idempotency_key: IdempotencyKey = None,
) -> Call:
    return Call(request, services, caller, _preference(services, prefer, 0), idempotency_key)


def _preference(services: Services, prefer: str | None, default_wait_seconds: float) -> Preference:
    most = services.settings.max_wait_seconds
    return parse_prefer(prefer, default_wait_seconds=default_wait_seconds, max_wait_seconds=most)


PredictCall = Annotated[Call, Depends(_predict_call)]
TrainingCall = Annotated[Call, Depends(_training_call)]
