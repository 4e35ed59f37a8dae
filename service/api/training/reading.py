"""The body of POST /training-jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import anyio.to_thread
from pydantic import ValidationError
from starlette.requests import Request

from service.api.kit.request_body import is_json, media_type, parse_json_object, read_body
from service.api.predict.reading import ArchitectureReader, ReadArchitecture
from service.api.services import services_of
from service.api.training.schemas import JobRequest, ModelRequest, training_request
from service.contract.kinds import KINDS
from service.contract.known_fields import Place, known_fields
from service.contract.options import OneNetwork
from service.contract.reading import invalid_fields
from service.errors import ServiceError, UnsupportedMediaType


async def read_training_request(request: Request) -> tuple[JobRequest, str]:
    """What is asked for, and the digest of the body.

    Raises UnsupportedMediaType, InvalidInput, InvalidRequest naming the field.
    """
    if not is_json(media_type(request)):
        raise UnsupportedMediaType(
            f"This call reads JSON, not {media_type(request) or 'a body without a Content-Type'}.",
            hint="Send Content-Type: application/json.",
        )
    body = await read_body(request)
    document = await parse_json_object(body, services_of(request).graph_limits)
    try:
        # In a thread: thousands of observations take a while.
        training = await anyio.to_thread.run_sync(training_request().model_validate, document)
    except ValidationError as error:
        raise _named(error) from None
    return training.root, hashlib.sha256(body).hexdigest()


async def read_network(job: JobRequest, reader: ArchitectureReader) -> ReadArchitecture | None:
    """The network that the job is about, checked; None for kinds without one. The readers' errors, naming the
    field.
    """
    if not isinstance(job.config, OneNetwork):
        return None
    try:
        return await reader.read_document(job.config.architecture)
    except ServiceError as error:
        error.place_in("config", "architecture")
        raise


def _named(error: ValidationError) -> Exception:
    """Pydantic puts the kind in front of every place; the body has no such level."""
    entries = error.errors(include_url=False, include_input=False)
    kind = next((entry["loc"][0] for entry in entries if entry["loc"]), None)
    for entry in entries:
        if entry["loc"] and entry["loc"][0] in KINDS:
            entry["loc"] = entry["loc"][1:]

    def known(place: Place) -> Collection[str]:
        if place[:1] == ("config",) and kind in KINDS:
            return known_fields(KINDS[str(kind)].options, place[1:])
        return known_fields(ModelRequest, place)

    return invalid_fields(entries, known=known)
