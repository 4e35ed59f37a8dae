"""POST /training-jobs and GET /training-jobs."""

from __future__ import annotations

import hashlib
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from service import errors
from service.api.auth import Principal, require
from service.api.idempotency import IdempotencyKey, once
from service.api.jobs.endpoints import job_response
from service.api.jobs.schemas import RUNNING_JOB_EXAMPLE
from service.api.openapi import json_body, problems
from service.api.request_body import read_json_model
from service.api.services import Injected, Services
from service.api.training.schemas import TRAINING_EXAMPLE, TrainingRequest
from service.catalog import SHIPPED_MODELS, list_cards
from service.store.queue import enqueue
from service.store.records import Job, JobPage

router = APIRouter(tags=["training"])

KIND = "training"
QUEUE = "training"

Trainer = Annotated[Principal, Depends(require("train"))]


@router.post(
    "/training-jobs",
    operation_id="createTrainingJob",
    summary="Train a model",
    status_code=202,
    response_model=Job,
    openapi_extra=json_body(TrainingRequest, {"two minutes on digits": TRAINING_EXAMPLE}),
    responses={
        200: {
            "description": "The job of an earlier request with this key; it has ended.",
            "model": Job,
        },
        202: {"content": {"application/json": {"example": {**RUNNING_JOB_EXAMPLE, "kind": KIND}}}},
        **problems(errors.Conflict, body=True),
    },
)
async def create_training_job(
    request: Request, services: Injected, caller: Trainer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Follow it at `/jobs/{id}/events`: measurements arrive as `metrics`. The model appears in `/models` when
    it is done.
    """
    asked = await read_json_model(request, TrainingRequest)
    body = hashlib.sha256(asked.model_dump_json().encode()).hexdigest()

    async def start() -> Job:
        return await anyio.to_thread.run_sync(_start, services, caller, asked)

    return job_response(await once(services.jobs, caller, "training-jobs", idempotency_key, body, start))


def _start(services: Services, caller: Principal, asked: TrainingRequest) -> Job:
    """Record and queue the job. InvalidRequest for a budget above the limit, Conflict where the name is
    taken. Blocking.
    """
    limit = services.settings.training_max_minutes
    if (asked.config.minutes or 0) > limit:
        raise errors.InvalidRequest(
            f"A training job may take {limit:g} minutes.",
            field="config/minutes",
            limit=limit,
            value=asked.config.minutes,
        )
    folders = (SHIPPED_MODELS, services.settings.home / "models")
    if any(card.name == asked.name for card in list_cards(folders)):
        raise errors.Conflict(
            f"There is a model {asked.name!r} already.", field="name", hint="Choose another name."
        )
    services.admission.check(QUEUE, caller)
    payload = {"kind": asked.kind, "name": asked.name, "config": asked.config.given()}
    # The key is the name: two jobs that would publish the same model cannot run side by side.
    key = f"training:{asked.name}"
    job = services.jobs.create(KIND, key=key, payload=payload, owner=caller.id, queue=QUEUE)
    if not job.is_new:
        raise errors.Conflict(
            f"A job that trains {asked.name!r} is under way.",
            field="name",
            job=job.links["self"],
            hint="Choose another name.",
        )
    enqueue(job, services.settings)
    return job


@router.get(
    "/training-jobs",
    operation_id="listTrainingJobs",
    summary="List training jobs, newest first",
    response_model=JobPage,
    responses=problems(),
)
async def list_training_jobs(
    services: Injected,
    caller: Trainer,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None, Query(max_length=64, description="`next_cursor` of the page before.")
    ] = None,
) -> JobPage:
    """Your own; all of them with the scope admin."""
    owner = None if caller.may("admin") else caller.id
    return await anyio.to_thread.run_sync(
        lambda: services.jobs.list(KIND, limit=limit, cursor=cursor, owner=owner)
    )
