"""POST /training-jobs, GET /training-jobs, DELETE /training-jobs/{id}."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from service import errors
from service.api.auth import require
from service.api.keys import Principal
from service.api.kit.calls import TrainingCall
from service.api.kit.job_examples import RUNNING_JOB_EXAMPLE
from service.api.kit.jobs import JobId, find_job
from service.api.kit.openapi import json_body, problems
from service.api.predict.service import InjectedPredictions
from service.api.services import Injected
from service.api.training.reading import read_network, read_training_request
from service.api.training.schemas import EXAMPLES, training_request
from service.api.training.service import forget, start
from service.contract.kinds import TRAINING
from service.store.records import Job, JobPage

router = APIRouter(tags=["training"])

Trainer = Annotated[Principal, Depends(require("train"))]


@router.post(
    "/training-jobs",
    operation_id="createTrainingJob",
    summary="Train a model or a network, fit a predictor, or search",
    status_code=202,
    response_model=Job,
    openapi_extra=json_body(training_request(), EXAMPLES),
    responses={
        200: {
            "description": "The job has ended: with `Prefer: wait=N`, or started by an earlier request with "
            "this key.",
            "model": Job,
        },
        202: {"content": {"application/json": {"example": {**RUNNING_JOB_EXAMPLE, "kind": TRAINING}}}},
        **problems(errors.Conflict, errors.UnknownModel, body=True),
    },
)
async def create_training_job(call: TrainingCall, predictions: InjectedPredictions) -> Response:
    """Follow it at `/jobs/{id}/events`: measurements arrive as `metrics`. The model appears in `/models` when
    it is done; what a search has found, and where the weights of a fine-tuned network lie, is the result.
    """
    training, body = await read_training_request(call.request)

    async def begin() -> Job:
        architecture = await read_network(training, predictions.reader)
        return await anyio.to_thread.run_sync(start, call.services, call.caller, training, architecture)

    return call.answer(await call.job("training-jobs", body, begin))


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
        lambda: services.jobs.list(TRAINING, limit=limit, cursor=cursor, owner=owner)
    )


@router.delete(
    "/training-jobs/{job_id}",
    operation_id="deleteTrainingJob",
    summary="Delete the record of a training job that has ended",
    status_code=204,
    responses=problems(errors.NotFound, errors.Conflict),
)
async def delete_training_job(job_id: JobId, services: Injected, caller: Trainer) -> Response:
    """With its measurements and the files of its run. A model that it made stays: `DELETE /models/{name}`.
    Only the key that made a job may delete it, and `admin`.
    """
    job = await find_job(services, job_id, caller)
    await anyio.to_thread.run_sync(forget, services, caller, job)
    return Response(status_code=204)
