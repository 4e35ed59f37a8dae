"""Who is asking, and what they may do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from service.api.keys import SCOPES, KeyRing, Principal, Scope
from service.api.kit.request_body import media_type
from service.errors import Forbidden, Unauthorized
from service.graph_io.fields import shown
from service.settings import Settings

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

bearer_scheme = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="`Authorization: Bearer KEY`, if the service has API keys.",
)
header_scheme = APIKeyHeader(
    name="X-API-Key",
    auto_error=False,
    scheme_name="api-key",
    description="The same key in a header of its own.",
)


def identify(request: Request, bearer: str | None, header: str | None) -> Principal:
    """Who is asking. Unauthorized where keys are set and none of them was sent."""
    ring: KeyRing = request.app.state.services.keys
    if ring.is_open:
        _refuse_foreign_names(request)
        _refuse_foreign_pages(request)
        address = request.client.host if request.client else "local"
        return Principal(f"ip-{address}", SCOPES)
    presented = bearer or header
    if not presented:
        raise Unauthorized(
            "This service asks for an API key.",
            hint="Send it in the header `Authorization: Bearer KEY`; on the command line with --api-key or "
            "WEIGHTCAST_API_KEY.",
        )
    principal = ring.find(presented)
    if principal is None:
        raise Unauthorized("This API key is not known.", hint="Check the key; it may have been withdrawn.")
    return principal


def require(scope: Scope | None) -> Callable[..., Coroutine[Any, Any, Principal]]:
    """A dependency: the caller, who must hold `scope` (None: any known key will do) and stay within the rate
    limit.
    """

    async def principal(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(bearer_scheme)],
        header: Annotated[str | None, Security(header_scheme)],
    ) -> Principal:
        caller = identify(request, bearer.credentials if bearer else None, header)
        if scope is not None and not caller.may(scope):
            raise Forbidden(
                f"This API key lacks the scope {scope!r}.", scope=scope, hint="Ask for a key that has it."
            )
        await request.app.state.services.rate_limit.check(request, caller)
        return caller

    return principal


def _refuse_foreign_pages(request: Request) -> None:
    """A server without keys must not be driven by any web page that happens to be open in the user's
    browser.
    """
    origin = request.headers.get("origin")
    # Browsers say where a request comes from even where they leave out the origin.
    site = request.headers.get("sec-fetch-site")
    foreign = site in ("cross-site", "same-site") or (origin is None and site is None and _is_form(request))
    if origin is not None and origin in request.app.state.services.settings.origins:
        return
    if request.method in _SAFE_METHODS or (origin is None and not foreign):
        return
    if foreign or _authority(origin or "") != request.headers.get("host"):
        raise Forbidden(
            f"Pages of {shown(origin or 'another site')} may not use this service.",
            hint="Name the page in WEIGHTCAST_CORS_ORIGINS, or set API keys and send one.",
        )


def _is_form(request: Request) -> bool:
    """Whether a browser sends what a page may send elsewhere unasked and what is read here: a form, or bytes
    without a type. All else is preflighted or refused. An old browser does not say which page it comes from.
    """
    is_browser = request.headers.get("user-agent", "").startswith("Mozilla/")
    return is_browser and request.method == "POST" and media_type(request) in ("multipart/form-data", "")


def _refuse_foreign_names(request: Request) -> None:
    """A web page may point a name of its own at this machine (DNS rebinding); the browser then takes it for
    the service's own page. The name is in the Host header.
    """
    settings: Settings = request.app.state.services.settings
    if not settings.is_loopback or settings.allow_anonymous:
        return
    host = request.headers.get("host", "")
    if not is_local_name(host):
        raise Forbidden(
            f"This service answers on this machine only, and not under the name {shown(host)}.",
            hint="Use 127.0.0.1 or localhost. Behind a proxy: set API keys, or WEIGHTCAST_ALLOW_ANONYMOUS=1.",
        )


def is_local_name(host: str) -> bool:
    """Whether a Host header names this machine: localhost or a loopback address, with or without a port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False


def _authority(origin: str) -> str:
    """Host and port of an origin; empty for what is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
