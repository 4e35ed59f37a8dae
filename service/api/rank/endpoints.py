"""POST /rank-architectures, /embed-architectures, /compare-architectures: one job over many architectures."""

from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter
from starlette.responses import Response

from service import errors
from service.api.architectures import NASBENCH201_EXAMPLE, TORCHVISION_EXAMPLE
from service.api.kit.calls import PredictCall
from service.api.kit.openapi import Responses, json_body, problems
from service.api.rank.reading import JSON_LINES, read_many
from service.api.rank.service import Question, answer, embedding, ranking
from service.contract.many import (
    CompareOptions,
    CompareRequest,
    EmbedOptions,
    EmbedRequest,
    RankOptions,
    RankRequest,
)
from service.contract.options import Options
from service.contract.reading import properties
from service.kit.json_types import JsonObject
from service.store.records import Job

router = APIRouter(tags=["rank"])

# The answer grows with the square of the number.
MOST_COMPARED = 300


def _describe(model: type[Options], options: type[Options]) -> JsonObject:
    """JSON or JSON lines; beside lines the options are query parameters."""
    architectures = {"architectures": [NASBENCH201_EXAMPLE, TORCHVISION_EXAMPLE]}
    described = json_body(model, {"two": architectures})
    lines = {"schema": {"type": "string", "description": "One architecture per line."}}
    described["requestBody"]["content"].update({media: lines for media in JSON_LINES})
    described["parameters"] = [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": schema,
            "description": "Same as the body's field; for JSON Lines bodies.",
        }
        for name, schema in properties(options).items()
    ]
    return described


_RESPONSES: Responses = {
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
async def rank_architectures(call: PredictCall) -> Response:
    """The job's result is a `Ranking`. What cannot be read is in `skipped` and does not stop the rest."""
    settings = call.services.settings
    lines, options = await read_many(call.request, RankOptions, most=settings.max_architectures)
    question = await anyio.to_thread.run_sync(ranking, settings, options, lines)
    return await answer(call, question, lines)


@router.post(
    "/embed-architectures",
    operation_id="embedArchitectures",
    summary="Embed architectures: one vector each",
    response_model=Job,
    openapi_extra=_describe(EmbedRequest, EmbedOptions),
    responses=_RESPONSES,
)
async def embed_architectures(call: PredictCall) -> Response:
    """The job's result is an `Embeddings`: means of a GHN's node states, alike for networks that compute
    alike.
    """
    settings = call.services.settings
    lines, options = await read_many(call.request, EmbedOptions, most=settings.max_architectures)
    question = await anyio.to_thread.run_sync(embedding, settings, "embed", options)
    return await answer(call, question, lines)


@router.post(
    "/compare-architectures",
    operation_id="compareArchitectures",
    summary="Distances between architectures",
    response_model=Job,
    openapi_extra=_describe(CompareRequest, CompareOptions),
    responses=_RESPONSES,
)
async def compare_architectures(call: PredictCall) -> Response:
    """The job's result is a `Comparison`: distances between up to 300 architectures."""
    settings = call.services.settings
    most = min(MOST_COMPARED, settings.max_architectures)
    lines, options = await read_many(call.request, CompareOptions, most=most)
    if options.by == "nodes":
        return await answer(call, Question("compare", options), lines)
    question = await anyio.to_thread.run_sync(embedding, settings, "compare", options)
    return await answer(call, question, lines)
