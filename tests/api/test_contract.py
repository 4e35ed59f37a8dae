"""The OpenAPI document says the truth: every route described, every answer as it is described."""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from service.api.app import create_app
from service.api.describe import openapi_text
from service.contract.problem import Problem
from service.settings import Settings
from service.store.workers import WorkerInfo

from .asgi import LoopPerCall
from .fake_worker import FakeWorker

# What a schema cannot say: that a graph has a cycle, or that a name is not taken. So accepted and refused
# inputs are not compared with the schema; answers are.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]
BINARY_BODIES = ("application/octet-stream", "application/onnx", "application/x-onnx")


def operations(app: FastAPI) -> dict[str, dict[str, Any]]:
    paths = app.openapi()["paths"]
    return {
        f"{method.upper()} {path}": op for path, methods in paths.items() for method, op in methods.items()
    }


def operation_ids() -> list[str]:
    """Every route but the event stream, which for a job that never ends would be read for ten minutes."""
    with TemporaryDirectory() as home:
        app = create_app(Settings(redis_url="unix:///nowhere", home=Path(home)))
        names = [operation["operationId"] for operation in operations(app).values()]
        return [name for name in names if name != "streamJobEvents"]


@pytest.fixture
def workers(worker: FakeWorker) -> None:
    """Somebody serves every queue that a route can fill."""
    for queue in ("training", "rank"):
        worker.registry.announce(WorkerInfo(queue=queue, name="fake:2"), 600)


def run_cases(app: FastAPI, operation_id: str, phases: dict[str, Any]) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", LoopPerCall(app))
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    strategies = [
        schema.find_operation_by_id(operation_id).as_strategy(generation_mode=mode) for mode in modes
    ]

    @given(case=st.one_of(strategies))
    @settings(deadline=None, suppress_health_check=list(HealthCheck), database=None, **phases)
    def check(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    check()


@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("operation_id", operation_ids())
def test_answers_are_as_described(app: FastAPI, operation_id: str) -> None:
    run_cases(app, operation_id, {"max_examples": 12, "derandomize": True})


@pytest.mark.slow
@pytest.mark.usefixtures("workers")
@pytest.mark.parametrize("operation_id", operation_ids())
def test_answers_are_as_described_at_length(app: FastAPI, operation_id: str) -> None:
    run_cases(app, operation_id, {"max_examples": 300})


def test_every_route_is_described(app: FastAPI) -> None:
    seen = set()
    for name, operation in operations(app).items():
        assert operation["operationId"] not in seen
        seen.add(operation["operationId"])
        assert operation["summary"] and operation["tags"], name
        for status, response in operation["responses"].items():
            assert response["description"], (name, status)
            if int(status) >= 400 and operation["operationId"] != "readyz":
                assert list(response["content"]) == ["application/problem+json"], (name, status)


def test_every_reference_leads_somewhere(app: FastAPI) -> None:
    schemas = app.openapi()["components"]["schemas"]
    names = re.findall(r"#/components/schemas/([^\"]+)", json.dumps(app.openapi()))
    assert names and not set(names) - set(schemas)


def test_guarded_routes_name_both_ways_to_send_a_key(app: FastAPI) -> None:
    open_routes = {"livez", "readyz", "getGraphSchema"}
    for operation in operations(app).values():
        schemes = {name for entry in operation.get("security", []) for name in entry}
        expected = set() if operation["operationId"] in open_routes else {"bearer", "api-key"}
        assert schemes == expected, operation["operationId"]


def test_bodies_are_typed(app: FastAPI) -> None:
    content = operations(app)["POST /predict-weights"]["requestBody"]["content"]
    assert set(content) == {"application/json", "multipart/form-data", *BINARY_BODIES}
    for media_type in BINARY_BODIES:
        assert content[media_type]["schema"] == {"type": "string", "format": "binary"}
    assert content["application/json"]["examples"]


def test_the_committed_document_is_fresh() -> None:
    committed = Path(__file__).parents[2] / "docs" / "openapi.json"
    assert committed.read_text() == openapi_text(), "run: python -m service.api.describe > docs/openapi.json"


def test_problems_have_no_validator_each(app: FastAPI) -> None:
    """Eight milliseconds each, for every error of every route, whenever the API starts."""
    fields = [field for route in app.state.routes for field in getattr(route, "response_fields", {}).values()]
    assert fields, "no route has other answers at all"
    assert not [field for field in fields if field.field_info.annotation is Problem]
