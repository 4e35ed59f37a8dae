"""GET /jobs, GET /jobs/{id}, GET /jobs/{id}/events, DELETE /jobs/{id}."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from service.api.auth import require
from service.api.jobs.events import job_events
from service.api.keys import Principal
from service.api.kit.job_examples import FINISHED_JOB_EXAMPLE
from service.api.kit.jobs import JobId, check_owner, find_job, job_response
from service.api.kit.openapi import problems
from service.api.services import Injected
from service.errors import Conflict, NotFound
from service.store.records import Job, JobPage, JobStatus

router = APIRouter(tags=["jobs"])

Caller = Annotated[Principal, Depends(require(None))]


@router.get(
    "/jobs",
    operation_id="listJobs",
    summary="List jobs, newest first",
    response_model=JobPage,
    responses=problems(),
)
async def list_jobs(
    services: Injected,
    caller: Caller,
    kind: Annotated[
        str | None, Query(pattern=r"^[a-z-]{1,32}$", description="Only jobs of this kind.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before.", max_length=64)
    ] = None,
) -> JobPage:
    """Your own jobs; all jobs with the scope admin. Results are left out: follow `links`."""
    owner = None if caller.may("admin") else caller.id
    return await anyio.to_thread.run_sync(
        lambda: services.jobs.list(kind, limit=limit, cursor=cursor, owner=owner)
    )


@router.get(
    "/jobs/{job_id}",
    operation_id="getJob",
    summary="Look at a job, or wait for it",
    response_model=Job,
    responses={
        200: {"content": {"application/json": {"example": FINISHED_JOB_EXAMPLE}}},
        **problems(NotFound),
    },
)
async def get_job(
    request: Request,
    job_id: JobId,
    services: Injected,
    caller: Caller,
    wait: Annotated[
        float, Query(ge=0, le=60, description="Wait up to this many seconds for the job to end.")
    ] = 0,
) -> Response:
    """A failed job is a 200 too: `status` is `failed`, and `error` is a problem document."""
    job = await find_job(services, job_id, caller)
    ended = await services.watcher.wait(job, min(wait, services.settings.max_wait_seconds), request)
    return job_response(ended or job, status=200)


@router.get(
    "/jobs/{job_id}/events",
    operation_id="streamJobEvents",
    summary="Follow a job by server-sent events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events: `state`, `progress`, `metrics`, and `end` with the job.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": "id: 1767268800000-0\nevent: progress\n"
                    'data: {"done":1,"total":3,"message":"predicting"}\n\n',
                }
            },
        },
        204: {"description": "The job has ended and every event was seen: do not come back."},
        **problems(NotFound),
    },
)
async def stream_job_events(
    job_id: JobId,
    services: Injected,
    caller: Caller,
    last_event_id: Annotated[str | None, Header(description="Go on after this event.", max_length=64)] = None,
) -> Response:
    job = await find_job(services, job_id, caller)
    # Without an answer to say so, a browser would come back to a finished job for ever.
    if job.is_final and last_event_id and not await services.events.read(job_id, last_event_id):
        return Response(status_code=204)
    services.streams.check()
    stream = job_events(services.jobs, services.events, job_id, last_event_id or "0-0")
    return StreamingResponse(
        services.streams.hold(stream),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


@router.delete(
    "/jobs/{job_id}",
    operation_id="cancelJob",
    summary="Cancel a job, queued or running",
    response_model=Job,
    responses={
        200: {"description": "The job is cancelled."},
        202: {"description": "The worker was asked to stop.", "model": Job},
        **problems(NotFound, Conflict),
    },
)
async def cancel_job(job_id: JobId, services: Injected, caller: Caller) -> Response:
    """May be repeated. Only the key that made a job may cancel it, and `admin`."""
    job = await find_job(services, job_id, caller)
    check_owner(job, caller)
    state = await anyio.to_thread.run_sync(services.jobs.request_cancel, job_id)
    if state is None:
        raise NotFound(f"There is no job {job_id}.")
    if state.is_final and state.status is not JobStatus.CANCELLED:
        raise Conflict(
            f"This job has {state.status.value} already.",
            job=job_id,
            hint="A finished job cannot be cancelled.",
        )
    return job_response(state)
