"""What the routes of the API say of the path of a request."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import Match

from service.graph_io.fields import closest


def allow_header(request: Request) -> dict[str, str]:
    """The `Allow` field of a 405 at this path, over all its routes: the framework's names those of one."""
    methods: set[str] = set()
    for route in request.app.state.routes:
        match, _ = route.matches(request.scope)
        if match is not Match.NONE:
            methods |= route.methods
    return {"Allow": ", ".join(sorted(methods))}


def path_like(request: Request) -> str | None:
    """The path without parameters that is most like the one of the request, if any is."""
    paths = [route.path for route in request.app.state.routes if "{" not in route.path]
    return closest(request.url.path, paths)
