"""POST /rank-architectures, /embed-architectures, /compare-architectures: one job over many architectures."""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Header
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service import errors
from service.api.architectures import NASBENCH201_EXAMPLE, TORCHVISION_EXAMPLE
from service.api.auth import Principal, require
from service.api.errors import problem_response, request_id_of
from service.api.idempotency import IdempotencyKey, once
from service.api.jobs.endpoints import job_response
from service.api.models import find_model
from service.api.openapi import json_body, problems
from service.api.prefer import parse_prefer
from service.api.rank.reading import JSON_LINES, read_many
from service.api.rank.schemas import EmbedOptions, EmbedRequest, RankOptions, RankRequest
from service.api.services import Injected, Services
from service.settings import Settings
from service.store.queue import enqueue
from service.store.records import Job, JobStatus

router = APIRouter(tags=["rank"])

QUEUE = "rank"
# The answer grows with the square of the number.
MOST_COMPARED = 300
# Raised when an answer to the same request would be another one.
ANSWER_VERSION = 1
DEFAULT_PREDICTOR = "structure"

Caller = Annotated[Principal, Depends(require("predict"))]
Prefer = Annotated[str | None, Header(description="`wait=N` seconds, or `respond-async`.")]


def _describe(model: type[BaseModel], options: type[BaseModel]) -> dict[str, Any]:
    """JSON or JSON lines; beside lines the options are query parameters."""
    architectures = {"architectures": [NASBENCH201_EXAMPLE, TORCHVISION_EXAMPLE]}
    described = json_body(model, {"two": architectures})
    lines = {"schema": {"type": "string", "description": "An architecture a line."}}
    described["requestBody"]["content"].update({media: lines for media in JSON_LINES})
    described["parameters"] = [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": schema,
            "description": "Option beside JSON lines.",
        }
        for name, schema in options.model_json_schema()["properties"].items()
    ]
    return described


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Done: the job with its result.", "model": Job},
    202: {"description": "Not done yet: follow `Location`.", "model": Job},
    **problems(errors.InvalidRequest, errors.UnknownModel, errors.Conflict, body=True),
}


@router.post(
    "/rank-architectures",
    operation_id="rankArchitectures",
    summary="Rank architectures by a predicted property",
    response_model=Job,
    openapi_extra=_describe(RankRequest, RankOptions),
    responses=_RESPONSES,
)
async def rank_architectures(
    request: Request,
    services: Injected,
    caller: Caller,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """The job's result is a `RankResult`. What cannot be read is in `skipped` and does not stop the rest."""
    lines, options = await read_many(request, RankOptions, most=services.settings.max_architectures)
    asked = await anyio.to_thread.run_sync(_predictor, services.settings, options)
    return await _run(request, services, caller, "rank", lines, asked, prefer, idempotency_key)


@router.post(
    "/embed-architectures",
    operation_id="embedArchitectures",
    summary="Embed architectures: a vector each",
    response_model=Job,
    openapi_extra=_describe(EmbedRequest, EmbedOptions),
    responses=_RESPONSES,
)
async def embed_architectures(
    request: Request,
    services: Injected,
    caller: Caller,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """The job's result is an `EmbedResult`: means of a GHN's node states, alike for networks that compute
    alike.
    """
    lines, options = await read_many(request, EmbedOptions, most=services.settings.max_architectures)
    asked = await anyio.to_thread.run_sync(_ghn, services.settings, options)
    return await _run(request, services, caller, "embed", lines, asked, prefer, idempotency_key)


@router.post(
    "/compare-architectures",
    operation_id="compareArchitectures",
    summary="Distances between architectures",
    response_model=Job,
    openapi_extra=_describe(EmbedRequest, EmbedOptions),
    responses=_RESPONSES,
)
async def compare_architectures(
    request: Request,
    services: Injected,
    caller: Caller,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """The job's result is a `CompareResult`: distances between the embeddings of up to 300 architectures."""
    most = min(MOST_COMPARED, services.settings.max_architectures)
    lines, options = await read_many(request, EmbedOptions, most=most)
    asked = await anyio.to_thread.run_sync(_ghn, services.settings, options)
    return await _run(request, services, caller, "compare", lines, asked, prefer, idempotency_key)


def _predictor(settings: Settings, options: RankOptions) -> dict[str, Any]:
    """The payload of a ranking. UnknownModel, InvalidRequest. Blocking."""
    name = options.predictor or DEFAULT_PREDICTOR
    digest, predicted = None, "accuracy"
    if name != DEFAULT_PREDICTOR:
        card = find_model(settings, name)
        if card.kind != "predictor":
            raise errors.InvalidRequest(
                f"The model {name!r} is a {card.kind}; it ranks nothing.", field="predictor"
            )
        digest, predicted = card.digest, str(card.training.get("property", predicted))
    if options.property not in (None, predicted):
        raise errors.InvalidRequest(
            f"The predictor {name!r} predicts {predicted!r}, not {options.property!r}.",
            field="property",
            hint=f"Rank by {predicted!r}, or name a predictor that was fitted on the property.",
        )
    return {
        "predictor": name,
        "predictor_digest": digest,
        "property": predicted,
        "order": options.order,
        "top_k": options.top_k,
    }


def _ghn(settings: Settings, options: EmbedOptions) -> dict[str, Any]:
    """The payload of embeddings. UnknownModel, InvalidRequest. Blocking."""
    card = find_model(settings, options.model or settings.default_model)
    if card.kind != "ghn":
        raise errors.InvalidRequest(
            f"The model {card.name!r} is a {card.kind}; it embeds nothing.", field="model"
        )
    return {"model": card.name, "model_digest": card.digest}


async def _run(
    request: Request,
    services: Services,
    caller: Principal,
    kind: str,
    lines: bytes,
    asked: dict[str, Any],
    prefer: str | None,
    idempotency_key: str | None,
) -> Response:
    """200 or 202 with the job; the problem where the request was at fault."""
    settings = services.settings
    preference = parse_prefer(
        prefer, default_wait_seconds=settings.default_wait_seconds, max_wait_seconds=settings.max_wait_seconds
    )
    described = json.dumps([ANSWER_VERSION, kind, asked], sort_keys=True).encode()
    key = (await anyio.to_thread.run_sync(hashlib.sha256, described + b"\n" + lines)).hexdigest()

    async def start() -> Job:
        return await anyio.to_thread.run_sync(partial(_start, services, caller, kind, lines, asked, key))

    job = await once(services.jobs, caller, f"{kind}-architectures", idempotency_key, key, start)
    job = await services.watcher.wait(job, preference.wait_seconds) or job
    if job.status is JobStatus.FAILED and job.error and 400 <= int(job.error.get("status", 500)) < 500:
        problem = {
            **job.error,
            "instance": request.url.path,
            **request_id_of(request),
            "job": job.links["self"],
        }
        return problem_response(problem, preference.headers)
    return job_response(job, headers={**preference.headers, "Vary": "Prefer"})


def _start(
    services: Services, caller: Principal, kind: str, lines: bytes, asked: dict[str, Any], key: str
) -> Job:
    """The job of an equal request that is under way, one that ends at once with the known answer, or a new
    one. Unavailable, TooManyRequests. Blocking.
    """
    jobs = services.jobs
    if (live := jobs.by_key(key)) is not None:
        return live
    if (known := services.cache.get(key)) is not None:
        made = jobs.create(kind, key="", payload={}, owner=caller.id, queue=QUEUE)
        jobs.begin(made.id, made.id)
        jobs.finish(made.id, known, made.id)
        return jobs.get(made.id) or made
    services.admission.check(QUEUE, caller)
    name = services.artifacts.put_content(lines, "lines.json").name
    job = jobs.create(kind, key=key, payload={"architectures": name, **asked}, owner=caller.id, queue=QUEUE)
    if job.is_new:
        enqueue(job, services.settings)
    return job
