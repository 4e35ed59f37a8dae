"""The HTTP API as one ASGI app. It reads and checks, asks the store, and waits; it never computes a
prediction.

RequestContext -> CORS, where origins are set -> BodyLimit -> FastAPI (routes, problem documents)
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware

from service.api import errors, health, info, models, pages, problems
from service.api.describing import endpoints as describing
from service.api.jobs import endpoints as jobs
from service.api.kit import openapi
from service.api.middleware import BodyLimit, RequestContext
from service.api.predict import endpoints as predict
from service.api.predict.service import Predictions
from service.api.rank import endpoints as rank
from service.api.services import Services
from service.api.training import endpoints as training
from service.api.training.schemas import training_request
from service.api.weights import endpoints as weights
from service.contract.kinds import ANSWERS, KINDS
from service.kit.json_types import JsonObject
from service.kit.references import resolve
from service.settings import Settings, get_settings
from service.store.queue import sender

VERSION = "0.1.0"

# What pages of other origins may send and read. Keys travel in headers, so no cookies are allowed.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_REQUEST_HEADERS = (
    "Authorization", "X-API-Key", "Content-Type", "Accept", "Prefer", "Idempotency-Key", "Range",
    "If-None-Match", "If-Range", "Last-Event-ID", "X-Request-ID", "traceparent",
)  # fmt: skip
_RESPONSE_HEADERS = (
    "ETag", "Location", "Retry-After", "X-Request-ID", "Server-Timing", "Accept-Ranges", "Content-Range",
    "Content-Disposition", "Repr-Digest", "Preference-Applied",
)  # fmt: skip


DESCRIPTION = """\
Predicts the weights of untrained neural networks with graph hypernetworks.

A call that takes longer than you want to wait (`Prefer: wait=N`) answers 202 with a job to follow. Errors are
problem documents (RFC 9457) that say what was wrong, where, and how to fix it."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The app for these settings (the process's own by default). Opens no connection before the first
    request.
    """
    settings = settings or get_settings()
    services = Services.from_settings(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The first request should not pay for what takes long to load; nobody waits for it either.
        warming = asyncio.create_task(asyncio.to_thread(warm_up, settings))
        yield
        await warming
        await services.close()

    app = FastAPI(
        title="Weightcast",
        version=VERSION,
        description=DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.services = services
    app.state.predictions = Predictions(services)
    app.state.routes = []  # of all resources, for who must know every method of a path
    for resource in (
        predict,
        describing,
        rank,
        training,
        jobs,
        weights,
        models,
        info,
        health,
        pages,
        problems,
    ):
        app.include_router(resource.router)
        app.state.routes += resource.router.routes
    errors.install(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=_METHODS,
            allow_headers=_REQUEST_HEADERS,
            expose_headers=_RESPONSE_HEADERS,
        )
    app.add_middleware(RequestContext, observe=services.metrics.observe)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app


def warm_up(settings: Settings) -> None:
    """Load the ONNX library and the sender of jobs, which requests load late."""
    importlib.import_module("service.graph_io.sandbox")
    sender(settings)


def openapi_document(app: FastAPI) -> JsonObject:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            license_info=app.license_info,
            routes=app.routes,
        )
        app.openapi_schema = openapi.finish(
            document,
            # Bodies that routes read themselves, and results of jobs.
            bodies=(training_request(), *dict.fromkeys(row.options for row in ANSWERS.values())),
            results=[resolve(row.result) for row in (*ANSWERS.values(), *KINDS.values())],
            is_open=app.state.services.keys.is_open,
        )
    return app.openapi_schema
