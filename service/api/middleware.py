"""Plain ASGI layers around the app, from the outside in: request context, then the body limit.

`RequestContext` gives each request an id and a place in its trace, measures it, logs it once, counts it, and
answers what nobody else caught. `BodyLimit` refuses bodies that are too large: at once where Content-Length
says so, else while the bytes come in.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import tracing
from service.api.errors import error_response, internal_problem, problem_response
from service.errors import LimitExceeded, ServiceError

if TYPE_CHECKING:
    from opentelemetry.trace import Span

log = structlog.get_logger("weightcast.access")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
HUNG_UP = 499
"""Status of calls whose caller went away before the answer, in logs and metrics; nobody is sent it."""
_QUIET_PATHS = frozenset({"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
_POLLED_ROUTES = frozenset({"/jobs/{job_id}"})


@dataclass(slots=True)
class RequestRecord:
    """One struct a request: it feeds the log line, the histogram and the Server-Timing header.

    cache: hit, miss or shared, for requests that look for a result. problem: code of the problem document
    that was sent.
    headers: further fields of the answer, whatever the answer is.
    """

    method: str
    route: str = "unmatched"
    status: int = 500
    started: float = field(default_factory=time.perf_counter)
    stages_ms: dict[str, float] = field(default_factory=dict)
    cache: str | None = None
    problem: str | None = None
    bytes_out: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the stage `name` (an RFC 9110 token)."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages_ms[name] = self.stages_ms.get(name, 0.0) + (time.perf_counter() - start) * 1e3

    def server_timing(self) -> str:
        entries = [f"{name};dur={spent:.1f}" for name, spent in self.stages_ms.items()]
        if self.cache is not None:
            entries.insert(0, f'cache;desc="{self.cache}"')
        return ", ".join([*entries, f"total;dur={self.seconds * 1e3:.1f}"])


def record_of(request: Request) -> RequestRecord:
    record = request.scope["request_record"]
    assert isinstance(record, RequestRecord)
    return record


class RequestContext:
    """observe: called once a request with its finished record."""

    def __init__(self, app: ASGIApp, *, observe: Callable[[RequestRecord], None]) -> None:
        self.app = app
        self.observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record = RequestRecord(method=scope["method"])
        request_id = _request_id(Headers(scope=scope))
        scope["request_record"], scope["request_id"] = record, request_id
        started = False

        async def send_with_context(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                record.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["Server-Timing"] = record.server_timing()
                headers.update(record.headers)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cache-Control", "no-store")
            elif message["type"] == "http.response.body":
                record.bytes_out += len(message.get("body", b""))
            await send(message)

        headers = Headers(scope=scope)
        with tracing.followed(request_id, headers.get("traceparent", "")), _span(scope) as span:
            try:
                await self.app(scope, receive, send_with_context)
            except ClientDisconnect:
                record.status = HUNG_UP
            except Exception as error:
                if started and isinstance(error.__cause__, ServiceError):
                    # An answer that had begun cannot become a problem document: it ends early.
                    log.warning("response.cut", path=scope["path"], problem=error.__cause__.code)
                    return
                problem = internal_problem(scope["path"], request_id, error)
                if not started:
                    await problem_response(problem)(scope, receive, send_with_context)
            finally:
                record.route = getattr(scope.get("route"), "path", record.route)
                self.observe(record)
                _log_access(scope, record)
                if span is not None:
                    span.update_name(f"{record.method} {record.route}")
                    span.set_attributes(
                        {"http.route": record.route, "http.response.status_code": record.status}
                    )


class BodyLimit:
    """Bodies above `max_bytes` are refused with 413 and never held in memory as a whole."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > self.max_bytes:
            # The connection is closed because the unread body would otherwise be taken for the next request.
            response = error_response(self._too_large(int(declared)), Request(scope), {"Connection": "close"})
            await response(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise self._too_large(None)
            return message

        await self.app(scope, receive_counted, send)

    def _too_large(self, size: int | None) -> LimitExceeded:
        return LimitExceeded(
            f"The body is larger than {self.max_bytes:,} bytes.",
            limit=self.max_bytes,
            value=size,
            hint="Send the model without its weights: only shapes are read.",
        )


def _request_id(headers: Headers) -> str:
    """The caller's own id where it is short and harmless, else a new one."""
    name = headers.get("x-request-id", "")
    return name if _REQUEST_ID.fullmatch(name) else uuid.uuid4().hex


def _span(scope: Scope) -> AbstractContextManager[Span | None]:
    """Health checks would drown the traces that somebody looks for."""
    if scope["path"] in _QUIET_PATHS:
        return nullcontext()
    attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
    return tracing.span(scope["method"], kind="server", attributes=attributes)


def _is_routine(scope: Scope, record: RequestRecord) -> bool:
    """Probes, scrapes and polls, which come every second and say nothing new. That a service became unready
    is logged when it happens (health.py).
    """
    if scope["path"] in _QUIET_PATHS:
        return record.status not in (401, 403)
    return record.method == "GET" and record.route in _POLLED_ROUTES and record.status < 400


def _log_access(scope: Scope, record: RequestRecord) -> None:
    write = log.debug if _is_routine(scope, record) else log.info
    write(
        "request.done",
        method=record.method,
        path=scope["path"],
        route=record.route,
        status=record.status,
        milliseconds=round(record.seconds * 1e3, 1),
        bytes_out=record.bytes_out,
        **({"cache": record.cache} if record.cache else {}),
    )
