"""Which methods a path has, over all its routes: the `Allow` of the framework names those of one route."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Match


def allow_header(request: Request) -> dict[str, str]:
    """The `Allow` field of a 405 at this path."""
    methods: set[str] = set()
    for route in request.app.state.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= route.methods
    return {"Allow": ", ".join(sorted(methods))}
