"""POST /describe-architecture."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from service import errors
from service.api.auth import require
from service.api.describing.describe import describe
from service.api.describing.schemas import DESCRIPTION_EXAMPLE, Description
from service.api.keys import Principal
from service.api.kit.openapi import problems
from service.api.predict.schemas import REQUEST
from service.api.predict.service import InjectedPredictions
from service.api.services import Injected

router = APIRouter(tags=["predict"])


@router.post(
    "/describe-architecture",
    operation_id="describeArchitecture",
    summary="How a GHN sees a network",
    response_model=Description,
    openapi_extra=REQUEST,
    responses={
        200: {"content": {"application/json": {"example": DESCRIPTION_EXAMPLE}}},
        **problems(errors.InvalidArchitecture, errors.NotFound, body=True),
    },
)
async def describe_architecture(
    request: Request,
    caller: Annotated[Principal, Depends(require("predict"))],
    predictions: InjectedPredictions,
    services: Injected,
) -> Response:
    """Takes what `/predict-weights` takes, in the same three ways, and predicts nothing: options of a
    prediction may stand beside the architecture, and change nothing.

    Nodes, edges and parameters, for drawing a network and for seeing what of it is predicted. A network of
    torchvision is known here once it has been predicted for: building it takes torch, which the API does
    without.
    """
    architecture = await predictions.reader.read(await predictions.submissions.read(request))
    described = await anyio.to_thread.run_sync(
        describe, architecture, services.artifacts, services.graph_limits
    )
    return Response(described.model_dump_json(), media_type="application/json")
