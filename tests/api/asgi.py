"""Apps in this process, without a server. What an app opened is closed after use, as a server would do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from service.api.app import create_app
from service.settings import Settings


@asynccontextmanager
async def transport_to(
    api: FastAPI | Settings, address: str = "127.0.0.1"
) -> AsyncIterator[httpx.ASGITransport]:
    """For clients of the app, or of a new one with these settings. address: where callers seem to be."""
    app = create_app(api) if isinstance(api, Settings) else api
    yield httpx.ASGITransport(app=app, client=(address, 1))
    await app.state.services.close()


@asynccontextmanager
async def client_of(api: FastAPI | Settings, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """A plain client; as `transport_to` otherwise."""
    async with (
        transport_to(api, address) as transport,
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30) as client,
    ):
        yield client


class LoopPerCall:
    """The app for callers that run each call in an event loop of its own, with which connections end."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)
        await self.app.state.services.events.close()
