"""The web page, the API's own documentation page, and their assets. Everything comes from the package: it
works offline.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from service.api.kit.tagged import IfNoneMatch, etag_of, tagged
from service.errors import NotFound

router = APIRouter(include_in_schema=False)

MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
HEADERS = {
    # Nothing from elsewhere, nothing inline: what a user uploads can never run as a script.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@lru_cache(maxsize=1)
def _assets() -> dict[str, tuple[bytes, str]]:
    """Every file of the web folder with its ETag, by its name."""
    entries = files("service.api").joinpath("web").iterdir()
    contents = {entry.name: entry.read_bytes() for entry in entries if entry.is_file()}
    return {name: (data, etag_of(data)) for name, data in contents.items()}


def _page(name: str, if_none_match: str | None) -> Response:
    """A file, or 304 for who has it. Raises NotFound for what is not one of ours."""
    media_type = MEDIA_TYPES.get(name[name.rfind(".") :])
    if media_type is None or name not in _assets():
        raise NotFound(f"There is no page {name[:80]!r}.")
    return tagged(*_assets()[name], media_type, if_none_match, HEADERS)


@router.get("/")
async def index(if_none_match: IfNoneMatch = None) -> Response:
    return _page("index.html", if_none_match)


@router.get("/docs")
async def docs(if_none_match: IfNoneMatch = None) -> Response:
    return _page("docs.html", if_none_match)


@router.get("/web/{name}")
async def asset(name: str, if_none_match: IfNoneMatch = None) -> Response:
    return _page(name, if_none_match)
