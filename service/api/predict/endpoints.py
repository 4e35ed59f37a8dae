"""POST /predict-weights."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from service import errors
from service.api.kit.calls import Call, PredictCall
from service.api.kit.job_examples import FINISHED_JOB_EXAMPLE, RUNNING_JOB_EXAMPLE
from service.api.kit.openapi import BINARY, problems
from service.api.predict.accept import wants_both, wants_file
from service.api.predict.schemas import REQUEST
from service.api.predict.service import InjectedPredictions, weights_name
from service.api.predict.together import MEDIA_TYPE, MOST_BYTES, job_with_file
from service.api.weights.answer import weights_response
from service.api.weights.files import MEDIA_TYPES
from service.contract.predict import EXTENSIONS
from service.store.records import Job, JobStatus

router = APIRouter(tags=["predict"])

_DONE = {
    "description": "Done: the job with its result. Where `Accept` asks for it, the file itself, or both: the "
    f"job and then the file, as `{MEDIA_TYPE}`, if the file has no more than {MOST_BYTES // 2**20} MiB.",
    "content": {
        "application/json": {"example": FINISHED_JOB_EXAMPLE},
        **{media: {"schema": BINARY} for media in dict.fromkeys((*MEDIA_TYPES.values(), MEDIA_TYPE))},
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
async def predict_weights(call: PredictCall, predictions: InjectedPredictions) -> Response:
    """Send a network as JSON, as a form with a file, or as the bytes of an ONNX file. Its weights are not
    needed.

    Equal requests have equal digests: they are computed once, also when many ask at the same time.
    """
    with call.record.stage("receive"):
        inquiry = await predictions.prepare(call.request, call.caller)

    async def start() -> Job:
        return await predictions.start(inquiry, call.caller, call.record)

    job = await call.job("predict-weights", inquiry.key, start)
    return await _answer(call, job, inquiry.submission.options.output)


async def _answer(call: Call, job: Job, output: str) -> Response:
    """200 or 202 with the job; the file where it was asked for; the problem of a job that failed at once."""
    if (problem := call.failure(job)) is not None:
        return problem
    accept = call.request.headers.get("accept")
    if job.status is JobStatus.SUCCEEDED and wants_file(accept, MEDIA_TYPES[EXTENSIONS[output]]):
        name = weights_name(job)
        response = await weights_response(call.request, call.services, name)
        places = {"Location": job.links["self"], "Content-Location": f"/weights/{name}"}
        response.headers.update({**call.preference.headers, **places})
        return response
    if job.status is JobStatus.SUCCEEDED and wants_both(accept):
        headers = {**call.preference.headers, "Location": job.links["self"], "Vary": "Accept, Prefer"}
        both = await job_with_file(call.services, job, weights_name(job), headers)
        if both is not None:
            return both
    return call.answer(job, Vary="Accept, Prefer")
