"""The checkpoints that requests may name: list, look at, describe, remove."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from service.api.auth import require
from service.api.kit.openapi import problems
from service.api.kit.tagged import IfNoneMatch, etag_of, tagged
from service.api.services import Injected
from service.errors import Conflict, InvalidRequest, NotFound, UnknownModel
from service.kit.json_types import JsonObject
from service.models.catalog import DEFAULT_PREDICTORS, SHIPPED_MODELS, ModelCard, find_card, list_cards
from service.models.changes import LONGEST_DESCRIPTION, describe_model, remove_model
from service.settings import Settings

router = APIRouter(tags=["models"], dependencies=[Depends(require(None))])

_EXAMPLE: JsonObject = {
    "name": "ghn2-cifar10",
    "kind": "ghn",
    "dataset": "cifar10",
    "num_classes": 10,
    "description": "GHN-2 for networks that sort 32 x 32 images into ten classes.",
    "digest": "c4d1" * 16,
    "size": 1_480_000,
    "shipped": True,
    "hides_shipped": False,
    "training": {"steps": 20000},
    "scores": {"id-test": {"n": 50, "mean": 45.0, "stderr": 1.1}},
}

_LIST_EXAMPLE = {
    "models": [_EXAMPLE],
    "default": _EXAMPLE["name"],
    "default_predictors": DEFAULT_PREDICTORS,
}


class ModelList(BaseModel):
    models: list[ModelCard]
    default: str = Field(description="The model of requests that name none.")
    default_predictors: dict[str, str] = Field(
        description="By property: the predictor of requests that name none."
    )


class ModelChange(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = Field(
        max_length=LONGEST_DESCRIPTION, description="What the model is for, in your own words."
    )


_changing = problems(NotFound, Conflict, InvalidRequest)
_Name = Annotated[str, Path(max_length=100, examples=["ghn2-cifar10"])]


def find_model(settings: Settings, name: str) -> ModelCard:
    """UnknownModel, listing what there is. Blocking."""
    return find_card(name, (SHIPPED_MODELS, settings.home / "models"))


def _json(answer: BaseModel, if_none_match: str | None) -> Response:
    body = answer.model_dump_json().encode()
    return tagged(body, etag_of(body), "application/json", if_none_match)


@router.get(
    "/models",
    operation_id="listModels",
    summary="List the models",
    response_model=ModelList,
    responses={
        200: {"content": {"application/json": {"example": _LIST_EXAMPLE}}},
        304: {"description": "Nothing has changed."},
        **problems(),
    },
)
async def list_models(services: Injected, if_none_match: IfNoneMatch = None) -> Response:
    folders = (SHIPPED_MODELS, services.settings.home / "models")
    cards = await anyio.to_thread.run_sync(list_cards, folders)
    usual = services.settings.default_model
    answer = ModelList(models=cards, default=usual, default_predictors=DEFAULT_PREDICTORS)
    return _json(answer, if_none_match)


@router.get(
    "/models/{name}",
    operation_id="getModel",
    summary="What is known of a model",
    response_model=ModelCard,
    responses={
        200: {"content": {"application/json": {"example": _EXAMPLE}}},
        304: {"description": "Nothing has changed."},
        **problems(NotFound),
    },
)
async def get_model(services: Injected, name: _Name, if_none_match: IfNoneMatch = None) -> Response:
    """`scores` are measured, each with its data and spread; `training` says how it was made."""
    try:
        card = await anyio.to_thread.run_sync(find_model, services.settings, name)
    except UnknownModel as error:
        raise NotFound(error.detail, **error.extra) from None
    return _json(card, if_none_match)


@router.patch(
    "/models/{name}",
    operation_id="describeModel",
    summary="Say what a model of yours is for",
    response_model=ModelCard,
    responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}, **_changing},
    dependencies=[Depends(require("train"))],
)
async def change_model(services: Injected, name: _Name, change: ModelChange) -> ModelCard:
    """Models of the package cannot be changed: 409."""
    models = services.settings.home / "models"
    try:
        return await anyio.to_thread.run_sync(describe_model, models, name, change.description)
    except UnknownModel as error:
        raise NotFound(error.detail, **error.extra) from None


@router.delete(
    "/models/{name}",
    operation_id="removeModel",
    summary="Remove a model of yours",
    status_code=204,
    responses=_changing,
    dependencies=[Depends(require("train"))],
)
async def delete_model(services: Injected, name: _Name) -> Response:
    """Models of the package cannot be removed: 409."""
    try:
        await anyio.to_thread.run_sync(remove_model, services.settings.home / "models", name)
    except UnknownModel as error:
        raise NotFound(error.detail, **error.extra) from None
    return Response(status_code=204)
