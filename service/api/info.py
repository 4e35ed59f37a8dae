"""What this service knows and allows: operators, limits, the schema of the open format, metrics."""

from __future__ import annotations

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Depends
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from service.api.auth import require
from service.api.keys import Principal
from service.api.kit.openapi import problems
from service.api.services import Injected
from service.graph_io.json_reader import graph_schema
from service.graph_io.operators import OPERATORS

router = APIRouter(tags=["about"])


class OperatorInfo(BaseModel):
    """primitive: the GHN node type it becomes, null where the GHN does not see it. inputs: least and most
    (null: any number).
    """

    name: str
    primitive: str | None
    parameters: list[str]
    inputs: tuple[int, int | None]
    summary: str


class OperatorList(BaseModel):
    operators: list[OperatorInfo]


class Limits(BaseModel):
    """What a request may be and ask for. Bytes, seconds, and counts."""

    max_body_bytes: int
    max_wait_seconds: float
    default_wait_seconds: float
    max_nodes: int
    max_edges: int
    max_parameters: int
    max_rank: int
    max_dim: int
    max_name_length: int
    max_json_depth: int
    max_subgraph_depth: int
    max_architectures: int
    requests_per_minute: int
    queued_jobs_per_key: int
    queue_limit: int
    training_max_minutes: float
    job_ttl_seconds: int


@router.get(
    "/operators",
    operation_id="listOperators",
    summary="Operators of the open graph format",
    response_model=OperatorList,
    responses=problems(),
    dependencies=[Depends(require(None))],
)
async def list_operators() -> OperatorList:
    return OperatorList(
        operators=[
            OperatorInfo(
                name=operator.name,
                primitive=operator.primitive.name.lower() if operator.primitive is not None else None,
                parameters=list(operator.roles),
                inputs=operator.inputs,
                summary=operator.summary,
            )
            for operator in OPERATORS.values()
        ]
    )


@router.get(
    "/limits",
    operation_id="getLimits",
    summary="Limits in force",
    response_model=Limits,
    responses=problems(),
    dependencies=[Depends(require(None))],
)
async def get_limits(services: Injected) -> Limits:
    settings, graph = services.settings, services.graph_limits
    return Limits(
        **{name: getattr(settings, name) for name in Limits.model_fields if hasattr(settings, name)},
        **{name: getattr(graph, name) for name in Limits.model_fields if not hasattr(settings, name)},
    )


@router.get(
    "/schemas/archgraph.json",
    operation_id="getGraphSchema",
    summary="JSON Schema of the open graph format",
    response_class=Response,
    responses={200: {"content": {"application/schema+json": {"schema": {"type": "object"}}}}},
)
async def get_graph_schema() -> Response:
    return JSONResponse(
        graph_schema(),
        media_type="application/schema+json",
        headers={"Cache-Control": "public, max-age=3600"},
    )


@router.get(
    "/metrics",
    operation_id="getMetrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems()},
)
async def get_metrics(
    services: Injected, caller: Annotated[Principal, Depends(require("metrics"))]
) -> Response:
    """Asks for the scope `metrics` where keys are set, because queue depths are not everybody's business."""
    text = await anyio.to_thread.run_sync(services.metrics.render)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
