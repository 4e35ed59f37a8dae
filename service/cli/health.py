"""weightcast health: is the worker on this machine alive? Made for the health checks of containers."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from service.cli import options
from service.cli.console import emit_json, say
from service.cli.failures import FAILED


def health(
    queue: Annotated[
        str,
        typer.Argument(
            metavar="QUEUE",
            autocompletion=options.queue_names,
            help="The queue that it serves: predict, rank or training.",
        ),
    ],
    json: options.Json = False,
) -> None:
    """Check that this machine's worker is alive.

    Exit status 0 if a worker on this machine (by its host name) is warm and has announced itself within the
    last seconds.
    """
    from service.errors import InvalidRequest
    from service.settings import get_settings
    from service.store.broker import QUEUES
    from service.store.connection import connect
    from service.store.workers import WorkerRegistry

    if queue not in QUEUES:
        raise InvalidRequest(
            f"there is no queue {queue!r}", field="/queue", hint=f"queues are {', '.join(QUEUES)}"
        )
    present = WorkerRegistry(connect(get_settings())).present().get(queue, [])
    here = [worker.name for worker in present if worker.name.rpartition(":")[0] == socket.gethostname()]
    if json:
        emit_json({"queue": queue, "healthy": bool(here), "workers": here})
    else:
        say(f"{queue}: {', '.join(here) or 'no worker of this machine'}")
    if not here:
        raise typer.Exit(FAILED)
