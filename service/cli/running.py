"""serve, api, worker: the processes of a service."""

from __future__ import annotations

from typing import Annotated

import typer

from service.extras import imports_of


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="TCP port. [default: 8000]")] = None,
    predict_workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Worker processes for predictions. [default: 1]")
    ] = None,
) -> None:
    """Run the whole service: the API, workers, and a private Redis unless WEIGHTCAST_REDIS_URL names one.

    Ctrl-C stops all of them.
    """
    with imports_of("embedded"):
        from service.embedded import serve as run
    from service.settings import get_settings

    settings = get_settings()
    raise typer.Exit(
        run(
            settings,
            host=settings.host if host is None else host,
            port=settings.port if port is None else port,
            predict_workers=settings.predict_workers if predict_workers is None else predict_workers,
        )
    )


def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="TCP port. [default: 8000]")] = None,
) -> None:
    """Run only the HTTP API. It needs WEIGHTCAST_REDIS_URL, and workers elsewhere."""
    from service.api.server import run
    from service.settings import get_settings

    settings = get_settings()
    run(
        settings,
        host=settings.host if host is None else host,
        port=settings.port if port is None else port,
    )


def worker(
    queues: Annotated[
        str, typer.Option("--queues", "-q", help="Comma-separated queues to serve: predict, rank, training.")
    ] = "predict",
) -> None:
    """Run only a worker. It needs WEIGHTCAST_REDIS_URL."""
    with imports_of("worker"):
        from service.workers.app import run_worker

    names = [name.strip() for name in queues.split(",") if name.strip()]
    if not names:
        raise typer.BadParameter("name at least one queue", param_hint="--queues")
    raise typer.Exit(run_worker(names))
