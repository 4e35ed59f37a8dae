"""A job that failed while its caller waited: which failures are an answer of their own."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from service.api.errors import problem_response, request_id_of
from service.store.records import Job, JobStatus

TRY_LATER = 503


def asks_to_try_later(job: Job) -> bool:
    """Whether it failed for want of something that may be there again: the same request makes a new job."""
    return job.status is JobStatus.FAILED and bool(job.error) and _status_of(job) == TRY_LATER


def failure_response(request: Request, job: Job, headers: dict[str, str]) -> Response | None:
    """The problem document where the input was at fault (4xx) or the service has no room at the moment (503,
    with Retry-After). None for every other job: it is answered as a job.
    """
    if job.status is not JobStatus.FAILED or not job.error:
        return None
    if not 400 <= _status_of(job) < 500 and not asks_to_try_later(job):
        return None
    place = {"instance": request.url.path, **request_id_of(request), "job": job.links["self"]}
    return problem_response({**job.error, **place}, headers)


def _status_of(job: Job) -> int:
    return 500 if job.error is None else job.error["status"]
