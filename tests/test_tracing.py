"""A request's id and trace reach the worker; spans where OpenTelemetry is set up, nothing where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service import tracing
from service.api.architectures import GRAPH_EXAMPLE
from service.settings import Settings
from service.stages import Stopwatch, stage
from service.store.connection import connect
from service.store.jobs import JobStore
from service.store.workers import WorkerInfo, WorkerRegistry
from service.workers.run_once import JobContext, run_once
from tests.api.asgi import client_of
from tests.api.conftest import MODEL, add_model

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER_SPAN_ID = "00f067aa0ba902b7"
HEADERS = {"X-Request-ID": "follow-me", "traceparent": f"00-{TRACE_ID}-{CALLER_SPAN_ID}-01"}


@pytest.fixture
def service_settings(settings: Settings) -> Settings:
    add_model(settings.home, MODEL)
    WorkerRegistry(connect(settings)).announce(WorkerInfo(queue="predict", name="nobody:1"))
    return settings.model_copy(update={"default_model": MODEL})


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.install(SimpleSpanProcessor(exporter), "weightcast-test")
    yield exporter
    tracing.shutdown()


async def queue_a_job(settings: Settings) -> str:
    async with client_of(settings) as client:
        answer = await client.post(
            "/predict-weights",
            json={"architecture": GRAPH_EXAMPLE},
            headers={**HEADERS, "Prefer": "respond-async"},
        )
        assert answer.status_code == 202
        return str(answer.json()["id"])


def work(context: JobContext) -> dict[str, Any]:
    watch = Stopwatch(tracing.span)
    with watch.running(), stage("gnn"):
        structlog.get_logger("weightcast.worker").info("work.in_the_middle")
    return {"timings_ms": watch.timings_ms()}


async def test_the_workers_log_lines_name_the_request_and_its_trace(service_settings: Settings) -> None:
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        job_id = await queue_a_job(service_settings)
        run_once(JobStore.from_settings(service_settings), job_id, work, service_settings)
        structlog.get_logger().info("afterwards")
    events = {line["event"]: line for line in lines}
    for event in ("job.created", "request.done", "job.started", "work.in_the_middle", "job.succeeded"):
        assert events[event]["request_id"] == "follow-me" and events[event]["trace_id"] == TRACE_ID, event
    for event in ("job.created", "job.started", "work.in_the_middle"):
        assert events[event]["job_id"] == job_id
    assert not {"request_id", "trace_id", "job_id"} & set(events["afterwards"])


async def test_spans_from_the_caller_through_the_queue_to_the_stages(
    service_settings: Settings, spans: InMemorySpanExporter
) -> None:
    job_id = await queue_a_job(service_settings)
    run_once(JobStore.from_settings(service_settings), job_id, work, service_settings)
    found: dict[str, ReadableSpan] = {span.name: span for span in spans.get_finished_spans()}
    assert set(found) == {"POST /predict-weights", "enqueue", "job predict", "gnn"}
    parents = {name: f"{span.parent.span_id:016x}" if span.parent else None for name, span in found.items()}
    ids = {name: f"{span.context.span_id:016x}" for name, span in found.items()}
    request = ids["POST /predict-weights"]
    assert parents == {
        "POST /predict-weights": CALLER_SPAN_ID,
        "enqueue": request,
        "job predict": request,
        "gnn": ids["job predict"],
    }
    assert {f"{span.context.trace_id:032x}" for span in found.values()} == {TRACE_ID}
    attributes = found["POST /predict-weights"].attributes
    assert attributes is not None and attributes["http.response.status_code"] == 202
    assert found["job predict"].attributes == {"job.id": job_id, "job.attempt": 1}
    assert found["gnn"].resource.attributes["service.name"] == "weightcast-test"


async def test_health_checks_leave_no_spans(service_settings: Settings, spans: InMemorySpanExporter) -> None:
    async with client_of(service_settings) as client:
        assert (await client.get("/livez")).status_code == 200
    assert not spans.get_finished_spans()


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (f"00-{TRACE_ID}-{CALLER_SPAN_ID}-01", True),
        (f"00-{TRACE_ID}-{CALLER_SPAN_ID}-00", True),
        (f"cc-{TRACE_ID}-{CALLER_SPAN_ID}-01-what-the-future-brings", True),
        ("", False),
        (f"ff-{TRACE_ID}-{CALLER_SPAN_ID}-01", False),
        (f"00-{'0' * 32}-{CALLER_SPAN_ID}-01", False),
        (f"00-{TRACE_ID}-{'0' * 16}-01", False),
        (f"00-{TRACE_ID.upper()}-{CALLER_SPAN_ID}-01", False),
        ("<script>", False),
    ],
)
def test_only_a_traceparent_is_passed_on(header: str, kept: bool) -> None:
    with tracing.followed("r", header):
        assert tracing.carried() == {"request_id": "r", **({"traceparent": header} if kept else {})}
    assert tracing.carried() == {}


def test_tracing_is_off_unless_an_endpoint_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(variable, raising=False)
    assert not tracing.configure("weightcast-test")
    with tracing.span("nothing") as span:
        assert span is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(tracing, "find_spec", lambda name: None)
    assert not tracing.configure("weightcast-test")  # the extra is not installed: said, and no more
    monkeypatch.undo()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    try:
        assert tracing.configure("weightcast-test")
    finally:
        tracing.shutdown()


def test_stages_are_measured_only_where_somebody_measures() -> None:
    with stage("alone"):
        pass
    watch = Stopwatch()
    with watch.running():
        for _ in range(2):
            with stage("gnn"):
                pass
        with pytest.raises(ZeroDivisionError), stage("decode"):
            1 / 0  # noqa: B018
    timings = watch.timings_ms()
    assert set(timings) == {"gnn", "decode", "total"} and timings["total"] >= timings["gnn"] >= 0
