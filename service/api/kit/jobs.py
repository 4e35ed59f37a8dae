"""Jobs as every resource answers them."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import Path
from starlette.responses import Response

from service.api.keys import Principal
from service.api.kit.job_examples import JOB_ID_PATTERN, RUNNING_JOB_EXAMPLE
from service.api.services import Services
from service.errors import Forbidden, NotFound
from service.store.records import Job

JobId = Annotated[
    str, Path(pattern=JOB_ID_PATTERN, description="Id of the job.", examples=[RUNNING_JOB_EXAMPLE["id"]])
]

POLL_SECONDS = 1


def job_response(job: Job, *, status: int | None = None, headers: dict[str, str] | None = None) -> Response:
    """A job as JSON. 202 and Retry-After while it is not final, unless `status` says otherwise."""
    known = {"Location": f"/jobs/{job.id}", **(headers or {})}
    if not job.is_final:
        known["Retry-After"] = str(POLL_SECONDS)
    return Response(
        job.model_dump_json(),
        status_code=status or (200 if job.is_final else 202),
        headers=known,
        media_type="application/json",
    )


async def find_job(services: Services, job_id: str, caller: Principal) -> Job:
    """The job, if there is one that this caller may see. NotFound otherwise."""
    job = await anyio.to_thread.run_sync(services.jobs.get, job_id)
    if job is None or not caller.may("train" if job.kind == "training" else "predict"):
        raise NotFound(
            f"There is no job {job_id}.",
            hint=f"Finished jobs are kept for {services.settings.job_ttl_seconds // 3600} hours; "
            "ask again for the result.",
        )
    return job


def check_owner(job: Job, caller: Principal) -> None:
    """Raises Forbidden for a job of another key; `admin` may touch all."""
    if job.owner != caller.id and not caller.may("admin"):
        raise Forbidden(
            "This job was made with another key.", hint="Ask its owner, or use a key with the scope admin."
        )
