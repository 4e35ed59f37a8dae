"""The API as a process: uvicorn around the app."""

from __future__ import annotations

import uvicorn

from service import tracing
from service.api.app import create_app
from service.api.connection import Connection
from service.exposure import refuse_open_door
from service.logs import configure_logging
from service.settings import Settings, get_settings

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


def run(settings: Settings, host: str | None = None, port: int | None = None) -> None:
    """Serve until a signal asks to stop. host, port: instead of those of the settings."""
    changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update=changes)
    configure_logging(settings)
    tracing.configure("weightcast-api")
    uvicorn.Server(server_config(settings)).run()
    tracing.shutdown()


if __name__ == "__main__":
    run(get_settings())
