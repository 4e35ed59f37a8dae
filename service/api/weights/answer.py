"""A file of weights as the answer to a request."""

from __future__ import annotations

from typing import BinaryIO

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from service.api.services import Services
from service.api.weights.files import MEDIA_TYPES, file_response
from service.errors import NotFound
from service.store.artifacts import Artifact, ArtifactStore


async def weights_response(
    request: Request, services: Services, name: str, *, filename: str | None = None
) -> Response:
    """The artifact `name` as an answer. NotFound where it is not stored."""
    digest, _, extension = name.partition(".")
    # One thread for all of it, for changing threads costs more. Opened before anything is answered: a file
    # that is deleted while it is sent is still sent to its end.
    artifact, file = await anyio.to_thread.run_sync(open_weights, services.artifacts, name)
    return file_response(
        request,
        file,
        media_type=MEDIA_TYPES[extension],
        sha256=artifact.sha256,
        filename=f"{(filename or digest[:16]).removesuffix('.' + extension)}.{extension}",
        check=services.integrity.check_of(name),
    )


def open_weights(artifacts: ArtifactStore, name: str) -> tuple[Artifact, BinaryIO]:
    """What is known of the file, and the file. NotFound where it is not stored. Blocking."""
    artifact = artifacts.stat(name)
    try:
        return artifact, artifacts.path(name).open("rb")
    except FileNotFoundError:
        raise NotFound(
            f"There is no file {name}.", hint="It has expired: ask for the weights again."
        ) from None
