"""The API as a process: uvicorn around the app."""

from __future__ import annotations

from socket import socket

import structlog
import uvicorn

from service import tracing
from service.api.app import create_app
from service.api.connection import Connection
from service.exposure import refuse_open_door
from service.logs import configure_logging
from service.settings import Settings, get_settings

log = structlog.get_logger("weightcast.api")

GRACE_SECONDS = 30
"""How long a stopping server lets calls finish that it is answering."""


def server_config(settings: Settings) -> uvicorn.Config:
    """uvicorn's configuration. InvalidRequest where the address is public and nobody guards it."""
    refuse_open_door(settings)
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # the middleware logs every request once, with its id
        server_header=False,
        http=Connection,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class _Server(uvicorn.Server):
    """Says where it listens once it does, as an event like every other."""

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            log.info("api.listening", host=self.config.host, port=self.config.port)


def run(settings: Settings, host: str | None = None, port: int | None = None) -> None:
    """Serve until a signal asks to stop. host, port: instead of those of the settings."""
    changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update=changes)
    configure_logging(settings)
    tracing.configure("weightcast-api")
    _Server(server_config(settings)).run()
    tracing.shutdown()


if __name__ == "__main__":
    run(get_settings())
