"""Reading request bodies: JSON with bounded depth, validated into a model; nothing here blocks or trusts."""

from __future__ import annotations

import anyio
import anyio.to_thread
from starlette.requests import Request

from service.errors import InvalidInput, InvalidRequest, RequestTimeout
from service.graph_io import json_text
from service.graph_io.limits import GraphLimits
from service.kit.json_types import JsonObject

BODY_TIMEOUT_SECONDS = 120.0
"""A body that trickles in slower than this holds a connection for nothing."""

_INLINE_BYTES = 64 * 1024
"""JSON below this size parses faster than a thread starts."""


def media_type(request: Request) -> str:
    """The media type of the body in lower case, without parameters; "" where none is given."""
    return request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


def is_json(media: str) -> bool:
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))


async def read_body(request: Request) -> bytes:
    """The whole body; the size limit is the middleware's."""
    try:
        with anyio.fail_after(BODY_TIMEOUT_SECONDS):
            return await request.body()
    except TimeoutError:
        raise RequestTimeout(
            f"The body did not arrive within {BODY_TIMEOUT_SECONDS:.0f} seconds.",
            hint="Send it faster, or send less.",
        ) from None


async def parse_json_object(data: bytes, limits: GraphLimits) -> JsonObject:
    """A JSON object. InvalidInput where the bytes are no JSON (says where), LimitExceeded where it nests too
    deep or is longer than the readers take: parsed, JSON fills many times its length.
    """
    if not data.strip():
        raise InvalidInput("The body is empty.", hint="Send an architecture; /docs shows examples.")
    document = (
        json_text.parse_json(data, limits=limits)
        if len(data) <= _INLINE_BYTES
        else await anyio.to_thread.run_sync(lambda: json_text.parse_json(data, limits=limits))
    )
    if not isinstance(document, dict):
        raise InvalidRequest("The body must be a JSON object.", hint='For example {"architecture": {...}}.')
    return document
