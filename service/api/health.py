"""Is it alive, and can it work? For people, load balancers and orchestrators; open to all, and cheap."""

from __future__ import annotations

import anyio.to_thread
import structlog
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from service.api.services import Injected, Services
from service.errors import ServiceError
from service.store.broker import QUEUES

router = APIRouter(tags=["health"])

NEEDED_QUEUE = "predict"
"""A service without this queue's workers is not ready; the others are reported only."""

LEAST_FREE_BYTES = 512 * 2**20

log = structlog.get_logger("weightcast.health")


class Alive(BaseModel):
    live: bool = True


class Check(BaseModel):
    ok: bool
    detail: str | None = None


class DiskCheck(Check):
    free_bytes: int


class WorkersCheck(Check):
    """How many workers serve each queue, under its name."""

    model_config = ConfigDict(extra="allow")


class Checks(BaseModel):
    redis: Check
    workers: WorkersCheck
    disk: DiskCheck


class Readiness(BaseModel):
    """`live` and `ready` both, because descriptions of the Open Inference Protocol differ in what they ask
    for.
    """

    ready: bool
    live: bool = True
    checks: Checks = Field(description="Redis, workers by queue, disk; each with `ok`.")


_READY_EXAMPLE = {
    "ready": True,
    "live": True,
    "checks": {
        "redis": {"ok": True},
        "workers": {"ok": True, "predict": 1, "rank": 1, "training": 1},
        "disk": {"ok": True, "free_bytes": 53687091200},
    },
}


@router.get("/livez", operation_id="livez", summary="Is the process alive?", response_model=Alive)
@router.get("/v2/health/live", include_in_schema=False, response_model=Alive)
async def livez() -> Alive:
    return Alive()


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Can it work: Redis, workers per queue, disk",
    response_model=Readiness,
    responses={
        200: {"content": {"application/json": {"example": _READY_EXAMPLE}}},
        503: {"description": "Not ready: `checks` says why.", "model": Readiness},
    },
)
@router.get("/v2/health/ready", include_in_schema=False, response_model=Readiness)
async def readyz(services: Injected) -> JSONResponse:
    readiness = await anyio.to_thread.run_sync(check_readiness, services)
    answer = readiness.model_dump(exclude_none=True)
    if services.readiness.changes_to(readiness.ready):
        write = log.info if readiness.ready else log.warning
        write("service.ready" if readiness.ready else "service.not_ready", checks=answer["checks"])
    return JSONResponse(
        answer,
        status_code=200 if readiness.ready else 503,
        headers={} if readiness.ready else {"Retry-After": "5"},
    )


def check_readiness(services: Services) -> Readiness:
    """Ask Redis, the worker registry and the disk. Blocking."""
    free = services.artifacts.free_bytes()
    disk = DiskCheck(ok=free >= LEAST_FREE_BYTES, free_bytes=free)
    try:
        present = services.workers.present()
    except ServiceError as error:
        unknown = WorkersCheck(ok=False, detail="unknown while Redis does not answer")
        checks = Checks(redis=Check(ok=False, detail=error.detail), workers=unknown, disk=disk)
        return Readiness(ready=False, checks=checks)
    counts = {queue: len(present.get(queue, ())) for queue in QUEUES}
    workers = WorkersCheck.model_validate({"ok": counts[NEEDED_QUEUE] > 0, **counts})
    checks = Checks(redis=Check(ok=True), workers=workers, disk=disk)
    return Readiness(ready=workers.ok and disk.ok, checks=checks)
