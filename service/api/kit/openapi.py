"""What the OpenAPI document says about every route: problem answers, headers, binary bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from service import errors
from service.api.architectures import COMPONENTS, with_architectures
from service.api.errors import PROBLEM_JSON
from service.contract.problem import Problem
from service.kit.json_types import JsonObject

__all__ = ["BINARY", "json_body", "problems"]

# `responses` of a route, by status.
Responses: TypeAlias = dict[int | str, JsonObject]

_PROBLEM: JsonObject = {"$ref": COMPONENTS + Problem.__name__}
BINARY: JsonObject = {"type": "string", "format": "binary"}

_ALWAYS: tuple[type[errors.ServiceError], ...] = (
    errors.Unauthorized,
    errors.Forbidden,
    errors.TooManyRequests,
    errors.Unavailable,
)
_INPUT: tuple[type[errors.ServiceError], ...] = (
    errors.InvalidInput,
    errors.LimitExceeded,
    errors.UnsupportedMediaType,
    errors.InvalidRequest,
)


def problems(*classes: type[errors.ServiceError], body: bool = False) -> Responses:
    """`responses` of a route: the errors it raises itself, those of every guarded route, and of reading a
    body.
    """
    responses: Responses = {}
    for error in (*classes, *_ALWAYS, *(_INPUT if body else ())):
        responses.setdefault(
            error.status,
            {
                "description": error.title,
                # Not as a `model`, from which FastAPI would make a validator for every answer of every route.
                "content": {PROBLEM_JSON: {"example": _example(error), "schema": _PROBLEM}},
            },
        )
    return responses


def _example(error: type[errors.ServiceError]) -> JsonObject:
    return {**error(error.title + ".").problem(), "request_id": "4f1c0a5b9d3e4c7f8a6b2d1e0f9c8b7a"}


def json_body(model: type[Any], examples: JsonObject) -> JsonObject:
    """`openapi_extra` of a route that reads and validates its JSON body itself; pass the model to `finish`
    too.
    """
    schema = {"$ref": COMPONENTS + model.__name__}
    named = {name: {"value": value} for name, value in examples.items()}
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "examples": named}},
        }
    }


def finish(
    document: JsonObject,
    *,
    bodies: Sequence[type[Any]],
    results: Sequence[type[Any]],
    is_open: bool,
) -> JsonObject:
    """FastAPI's own 422 schema is not used here, and models that no route declares are added: problems,
    bodies that routes read themselves, results of jobs.

    is_open: the server has no keys, so none need be sent.
    """
    for path in document["paths"].values():
        for operation in path.values():
            if is_open and "security" in operation:
                operation["security"].append({})
            for status, response in operation.get("responses", {}).items():
                if status == "422" and "HTTPValidationError" in str(response.get("content")):
                    response["content"] = {PROBLEM_JSON: {"schema": _PROBLEM}}
                    response["description"] = errors.InvalidRequest.title
    schemas = document["components"]["schemas"]
    answers: list[type[Any]] = [Problem, *results]
    _, definitions = TypeAdapter.json_schemas(
        [
            *((model.__name__, "validation", TypeAdapter(model)) for model in bodies),
            # What has a default is always there in what the service says.
            *((model.__name__, "serialization", TypeAdapter(model)) for model in answers),
        ],
        ref_template=COMPONENTS + "{model}",
    )
    schemas.update(definitions["$defs"])
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    return with_architectures(document)
