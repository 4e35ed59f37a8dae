"""POST /predict-weights."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from service import errors
from service.api.auth import require
from service.api.keys import Principal
from service.api.kit.failures import failure_response
from service.api.kit.idempotency import IdempotencyKey, once
from service.api.kit.job_examples import FINISHED_JOB_EXAMPLE, RUNNING_JOB_EXAMPLE
from service.api.kit.jobs import job_response
from service.api.kit.openapi import BINARY, problems
from service.api.kit.prefer import parse_prefer
from service.api.middleware import record_of
from service.api.predict.accept import wants_file
from service.api.predict.parsing import read_submission
from service.api.predict.schemas import REQUEST
from service.api.predict.service import InjectedPredictions, weights_name
from service.api.services import Injected, services_of
from service.api.weights.answer import weights_response
from service.api.weights.files import MEDIA_TYPES
from service.contract.predict import EXTENSIONS
from service.store.records import Job, JobStatus

router = APIRouter(tags=["predict"])

_DONE = {
    "description": "Done: the job with its result, or the file itself where `Accept` asks for it.",
    "content": {
        "application/json": {"example": FINISHED_JOB_EXAMPLE},
        **{media: {"schema": BINARY} for media in dict.fromkeys(MEDIA_TYPES.values())},
    },
}
_ACCEPTED = {
    "description": "Not done yet: follow `Location`.",
    "model": Job,
    "headers": {
        "Location": {"schema": {"type": "string"}, "description": "Path of the job."},
        "Retry-After": {"schema": {"type": "integer"}},
    },
    "content": {"application/json": {"example": RUNNING_JOB_EXAMPLE}},
}


@router.post(
    "/predict-weights",
    operation_id="predictWeights",
    summary="Predict the weights of a network",
    response_model=Job,
    openapi_extra=REQUEST,
    responses={
        200: _DONE,
        202: _ACCEPTED,
        **problems(errors.InvalidArchitecture, errors.UnknownModel, errors.Conflict, body=True),
    },
)
async def predict_weights(
    request: Request,
    caller: Annotated[Principal, Depends(require("predict"))],
    predictions: InjectedPredictions,
    services: Injected,
    prefer: Annotated[str | None, Header(description="`wait=N` seconds, or `respond-async`.")] = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send a network as JSON, as a form with a file, or as the bytes of an ONNX file. Its weights are not
    needed.

    Equal requests have equal digests: they are computed once, also when many ask at the same time.
    """
    settings = services.settings
    preference = parse_prefer(
        prefer, default_wait_seconds=settings.default_wait_seconds, max_wait_seconds=settings.max_wait_seconds
    )
    record = record_of(request)
    with record.stage("receive"):
        inquiry = await predictions.prepare(await read_submission(request), caller)

    async def start() -> Job:
        return await predictions.start(inquiry, caller, record)

    job = await once(services.jobs, caller, "predict-weights", idempotency_key, inquiry.key, start)
    with record.stage("wait"):
        job = await services.watcher.wait(job, preference.wait_seconds, request) or job
    return await _answer(request, job, inquiry.submission.options.output, preference.headers)


async def _answer(request: Request, job: Job, output: str, headers: dict[str, str]) -> Response:
    """200 or 202 with the job; the file where it was asked for; the problem of a job that failed at once."""
    if (problem := failure_response(request, job, headers)) is not None:
        return problem
    if job.status is JobStatus.SUCCEEDED and wants_file(
        request.headers.get("accept"), MEDIA_TYPES[EXTENSIONS[output]]
    ):
        name = weights_name(job)
        response = await weights_response(request, services_of(request), name)
        response.headers.update(
            {**headers, "Location": job.links["self"], "Content-Location": f"/weights/{name}"}
        )
        return response
    return job_response(job, headers={**headers, "Vary": "Accept, Prefer"})
