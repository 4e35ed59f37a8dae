"""Answers with an ETag of their content: what has not changed costs a 304."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated

from fastapi import Header
from starlette.responses import Response

from service.api.weights.ranges import etag_matches

IfNoneMatch = Annotated[str | None, Header()]


def tagged(
    body: bytes, media_type: str, if_none_match: str | None, headers: Mapping[str, str] | None = None
) -> Response:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", **(headers or {}), "ETag": etag}
    if etag_matches(if_none_match, etag, weak=True):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)
