"""Bodies with many architectures: JSON with `architectures`, or JSON lines with the options in the query.

The architectures themselves go to the worker unread, one JSON text a line: one that is wrong is for the
worker to report, and must not spoil the others.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

import anyio.to_thread
from starlette.requests import Request

from service.api.kit.request_body import is_json, media_type, parse_json_object, read_body
from service.api.services import services_of
from service.contract.options import Options
from service.contract.reading import read, read_texts
from service.errors import InvalidRequest, LimitExceeded, UnsupportedMediaType

JSON_LINES = (
    "application/x-ndjson",
    "application/jsonl",
    "application/json-lines",
    "application/x-jsonlines",
)

OptionsT = TypeVar("OptionsT", bound=Options)


async def read_many(request: Request, model: type[OptionsT], *, most: int) -> tuple[bytes, OptionsT]:
    """The architectures, one a line, and the options.

    UnsupportedMediaType; InvalidInput, InvalidRequest, LimitExceeded for a body that is wrong as a whole.
    """
    media = media_type(request)
    if media in JSON_LINES:
        options = _from_query(request, model)
        lines = [line for line in (await read_body(request)).split(b"\n") if line.strip()]
    elif is_json(media):
        document = await parse_json_object(await read_body(request), services_of(request).graph_limits)
        architectures = document.pop("architectures", None)
        if not isinstance(architectures, list):
            raise InvalidRequest("The request lacks the array `architectures`.", field="/architectures")
        options = read(model, document, where="body")
        _check_count(len(architectures), most)
        lines = await anyio.to_thread.run_sync(_as_lines, architectures)
    else:
        raise UnsupportedMediaType(
            f"This call reads JSON, not {media or 'a body without a Content-Type'}.",
            hint=(
                "Send Content-Type: application/json, or application/x-ndjson with one architecture per line."
            ),
        )
    _check_count(len(lines), most)
    return b"\n".join(lines), options


def _as_lines(architectures: list[Any]) -> list[bytes]:
    return [json.dumps(item, separators=(",", ":")).encode() for item in architectures]


def _from_query(request: Request, model: type[OptionsT]) -> OptionsT:
    return read_texts(model, request.query_params, where="query")


def _check_count(count: int, most: int) -> None:
    if count == 0:
        raise InvalidRequest("There is no architecture in the request.", field="/architectures")
    if count > most:
        raise LimitExceeded(
            f"{count:,} architectures, the limit is {most:,}.",
            field="/architectures",
            limit=most,
            value=count,
            hint="Send them in several requests.",
        )
