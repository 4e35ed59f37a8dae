"""What follows a request through the service: its id, and its trace.

The API accepts `X-Request-ID` and `traceparent` (W3C Trace Context), a job's record carries both to the
worker, and both are in every log line on the way (`request_id`, `trace_id`). That needs nothing installed.

With the extra `otel`, and an OTLP endpoint in the standard variables (OTEL_EXPORTER_OTLP_ENDPOINT or
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT), the same path gives OpenTelemetry spans:

    request -> enqueue
            -> job -> its stages

Where no tracing is set up, `span` does nothing and a caller's traceparent is passed on as it came.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import structlog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span

log = structlog.get_logger("weightcast.tracing")

SpanKind = Literal["internal", "server", "producer", "consumer"]
Attributes = Mapping[str, str | int]
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
# Version, trace id, parent id, flags; ids of zeros and the version ff mean nothing (W3C Trace Context,
# section 3.2.2). Later versions may add fields behind the flags.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace_id>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.{0,200})?"
)

_request_id: ContextVar[str] = ContextVar("weightcast-request-id", default="")
_traceparent: ContextVar[str] = ContextVar("weightcast-traceparent", default="")
_provider: TracerProvider | None = None


@contextmanager
def followed(request_id: str, traceparent: str) -> Iterator[None]:
    """Everything inside belongs to this request. What is no traceparent is forgotten."""
    matched = _TRACEPARENT.fullmatch(traceparent)
    fields = {"request_id": request_id} if request_id else {}
    if matched:
        fields["trace_id"] = matched["trace_id"]
    request_token = _request_id.set(request_id)
    trace_token = _traceparent.set(traceparent if matched else "")
    try:
        with structlog.contextvars.bound_contextvars(**fields):
            yield
    finally:
        _request_id.reset(request_token)
        _traceparent.reset(trace_token)


def carried() -> dict[str, str]:
    """What a job made here takes along: `request_id` and `traceparent`, as far as there are any."""
    context = {"request_id": _request_id.get(), "traceparent": _here() or _traceparent.get()}
    return {name: value for name, value in context.items() if value}


@contextmanager
def resumed(luggage: Mapping[str, str], name: str, attributes: Attributes) -> Iterator[None]:
    """Go on, in another process, with what `carried` gave: the span `name` and all inside belong to that
    request.
    """
    with (
        followed(luggage.get("request_id", ""), luggage.get("traceparent", "")),
        span(name, kind="consumer", attributes=attributes),
    ):
        yield


@contextmanager
def span(
    name: str, *, kind: SpanKind = "internal", attributes: Attributes | None = None
) -> Iterator[Span | None]:
    """A span of the trace; None where no tracing is set up."""
    if _provider is None:
        yield None
        return
    from opentelemetry import context, trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    parent = context.get_current()
    if not trace.get_current_span(parent).get_span_context().is_valid and _traceparent.get():
        parent = TraceContextTextMapPropagator().extract({"traceparent": _traceparent.get()}, parent)
    tracer = _provider.get_tracer("weightcast")
    with tracer.start_as_current_span(
        name,
        context=parent,
        kind=trace.SpanKind[kind.upper()],
        attributes=attributes,
    ) as made:
        yield made


def _here() -> str:
    """The traceparent of the span that is open, "" without one."""
    if _provider is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def configure(service_name: str) -> bool:
    """Send this process's spans to the OTLP endpoint of the environment. False where none is named, or the
    extra `otel` is not installed (which is logged).
    """
    if not any(os.environ.get(variable) for variable in _ENDPOINTS):
        return False
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        log.warning("tracing.not_installed", hint="pip install '.[otel]'")
        return False
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    install(BatchSpanProcessor(OTLPSpanExporter()), service_name)
    return True


def install(processor: SpanProcessor, service_name: str) -> None:
    """Give every span of this process to `processor`. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say more
    about the service.
    """
    global _provider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    # One that embeds this package may have a provider of its own: the global one is left alone.
    named: dict[str, str] = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service_name}
    _provider = TracerProvider(resource=Resource.create(named))
    _provider.add_span_processor(processor)


def shutdown() -> None:
    """Send what is left, and trace no more."""
    global _provider
    if _provider is not None:
        _provider.shutdown()
        _provider = None
