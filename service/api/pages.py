"""The web page, the API's own documentation page, and their assets. Everything comes from the package: it
works offline.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from service.errors import NotFound

router = APIRouter(include_in_schema=False)

MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_HEADERS = {
    # Nothing from elsewhere, nothing inline: what a user uploads can never run as a script.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@lru_cache(maxsize=32)
def _asset(name: str) -> bytes | None:
    """A file of the web folder; only names that lie there are known."""
    known = {entry.name: entry for entry in files("service.api").joinpath("web").iterdir() if entry.is_file()}
    return known[name].read_bytes() if name in known else None


def _page(name: str) -> Response:
    data = _asset(name)
    media_type = MEDIA_TYPES.get(name[name.rfind(".") :])
    if data is None or media_type is None:
        raise NotFound(f"There is no page {name[:80]!r}.")
    return Response(data, media_type=media_type, headers=_HEADERS)


@router.get("/")
async def index() -> Response:
    return _page("index.html")


@router.get("/docs")
async def docs() -> Response:
    return _page("docs.html")


@router.get("/web/{name}")
async def asset(name: str) -> Response:
    return _page(name)
