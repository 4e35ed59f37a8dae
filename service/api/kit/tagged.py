"""Answers with an ETag of their content: what has not changed costs a 304."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated

from fastapi import Header
from starlette.responses import Response

IfNoneMatch = Annotated[str | None, Header()]


def etag_of(body: bytes) -> str:
    """A strong entity tag of the content."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def tagged(
    body: bytes, etag: str, media_type: str, if_none_match: str | None,
    headers: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    """200 with the body, or 304 for who has it. etag: `etag_of` the body."""
    headers = {"Cache-Control": "no-cache", **(headers or {}), "ETag": etag}
    if etag_matches(if_none_match, etag, weak=True):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def etag_matches(header: str | None, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags (If-None-Match: `weak` comparison; If-Range, If-Match: strong) names
    `etag`.
    """
    if header is None:
        return False
    if header.strip() == "*":
        return True
    tags = [tag.strip() for tag in header.split(",")]
    return etag in ([tag.removeprefix("W/") for tag in tags] if weak else tags)
