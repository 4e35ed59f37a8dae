"""A file of weights as the answer to a request."""

from __future__ import annotations

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from service.api.services import Services
from service.api.weights.files import MEDIA_TYPES, file_response
from service.errors import NotFound


async def weights_response(
    request: Request, services: Services, name: str, *, filename: str | None = None
) -> Response:
    """The artifact `name` as an answer. NotFound where it is not stored."""
    digest, _, extension = name.partition(".")
    artifact = await anyio.to_thread.run_sync(services.artifacts.stat, name)
    try:
        path = await anyio.to_thread.run_sync(services.artifacts.path, name)
        return await file_response(
            request,
            path,
            media_type=MEDIA_TYPES[extension],
            sha256=artifact.sha256,
            filename=f"{(filename or digest[:16]).removesuffix('.' + extension)}.{extension}",
            check=services.integrity.check_of(name),
        )
    except FileNotFoundError:
        raise NotFound(
            f"There is no file {name}.", hint="It has expired: ask for the weights again."
        ) from None
