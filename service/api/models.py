"""GET /models and GET /models/{name}: the checkpoints that requests may name."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Header, Path
from pydantic import BaseModel
from starlette.responses import Response

from service.api.auth import require
from service.api.openapi import problems
from service.api.services import Injected
from service.api.weights.ranges import etag_matches
from service.errors import NotFound, UnknownModel
from service.models.catalog import SHIPPED_MODELS, ModelCard, find_card, list_cards
from service.settings import Settings

router = APIRouter(tags=["models"], dependencies=[Depends(require(None))])

_EXAMPLE: dict[str, Any] = {
    "name": "ghn2-cifar10",
    "kind": "ghn",
    "dataset": "cifar10",
    "num_classes": 10,
    "description": "GHN-2 for networks that sort 32 x 32 images into ten classes.",
    "digest": "c4d1" * 16,
    "training": {"steps": 20000},
    "scores": {"id-test": {"n": 50, "mean": 45.0, "stderr": 1.1}},
}


class ModelList(BaseModel):
    models: list[ModelCard]


def find_model(settings: Settings, name: str) -> ModelCard:
    """UnknownModel, listing what there is. Blocking."""
    return find_card(name, (SHIPPED_MODELS, settings.home / "models"))


def _tagged(body: str, if_none_match: str | None) -> Response:
    """JSON with an ETag of its content: a list that did not change costs a 304."""
    etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if etag_matches(if_none_match, etag, weak=True):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


@router.get(
    "/models",
    operation_id="listModels",
    summary="List the models",
    response_model=ModelList,
    responses={
        200: {"content": {"application/json": {"example": {"models": [_EXAMPLE]}}}},
        304: {"description": "Nothing has changed."},
        **problems(),
    },
)
async def list_models(services: Injected, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    folders = (SHIPPED_MODELS, services.settings.home / "models")
    cards = await anyio.to_thread.run_sync(list_cards, folders)
    return _tagged(ModelList(models=cards).model_dump_json(), if_none_match)


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
async def get_model(
    services: Injected,
    name: Annotated[str, Path(max_length=100, examples=["ghn2-cifar10"])],
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """`scores` are measured, each with its data and spread; `training` says how it was made."""
    try:
        card = await anyio.to_thread.run_sync(find_model, services.settings, name)
    except UnknownModel as error:
        raise NotFound(error.detail, **error.extra) from None
    return _tagged(card.model_dump_json(), if_none_match)
