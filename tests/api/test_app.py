"""The frame around the routes: ids, unknown paths, crashes, health, metrics, pages, start-up."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import httpx
import pytest
from fastapi import FastAPI

from service.api.architectures import GRAPH_EXAMPLE
from service.settings import Settings

from .checks import assert_problem
from .conftest import add_model
from .fake_worker import FakeWorker


async def test_unknown_paths_and_methods(client: httpx.AsyncClient) -> None:
    unlike = assert_problem(await client.get("/nothing/here"), 404, "not-found")
    assert unlike["hint"] == "The API is listed at /docs."
    for path, meant in (("/predict-weights/", "/predict-weights"), ("/Model", "/models")):
        like = assert_problem(await client.post(path), 404, "not-found")
        assert like["hint"] == f"Did you mean {meant}? The API is listed at /docs."
    response = await client.delete("/models")
    assert_problem(response, 405, "method-not-allowed")
    assert "GET" in response.headers["allow"]
    assert_problem(await client.get("/predict-weights"), 405)
    # Where several routes share a path, all their methods are named.
    for path, methods in ((f"/jobs/{'0' * 32}", "DELETE, GET"), (f"/weights/{'ab' * 32}.npz", "GET, HEAD")):
        response = await client.patch(path)
        assert_problem(response, 405)
        assert response.headers["allow"] == methods


async def test_request_ids(client: httpx.AsyncClient) -> None:
    given = await client.get("/livez", headers={"X-Request-ID": "abc-1"})
    assert given.headers["x-request-id"] == "abc-1"
    for hostile in ("a" * 100, "a b", "a;b", ""):
        made = await client.get("/nothing", headers={"X-Request-ID": hostile})
        assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])
        assert made.json()["request_id"] == made.headers["x-request-id"]


async def test_a_crash_tells_a_reference_and_no_more(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("the secret is 42")

    response = await client.get("/crash")
    problem = assert_problem(response, 500, "internal-error")
    assert problem["reference"] in problem["detail"]
    assert "secret" not in response.text and "RuntimeError" not in response.text


async def test_health(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    assert (await client.get("/livez")).json() == {"live": True}
    ready = await client.get("/readyz")
    assert ready.status_code == 200 and ready.json()["ready"] is True
    assert ready.json()["checks"]["workers"] == {"ok": True, "predict": 1, "rank": 0, "training": 0}
    assert (await client.get("/v2/health/ready")).status_code == 200
    worker.leave()
    unready = await client.get("/readyz")
    assert unready.status_code == 503 and unready.json()["checks"]["workers"]["ok"] is False
    assert (await client.get("/v2/health/live")).status_code == 200


async def test_metrics(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    for _ in range(2):
        await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE})
    await client.get("/jobs/none")
    text = (await client.get("/metrics")).text
    for line in (
        'duration_seconds_count{method="POST",route="/predict-weights",status="200"} 2.0',
        'weightcast_cache_lookups_total{outcome="miss"} 1.0',
        'weightcast_cache_lookups_total{outcome="hit"} 1.0',
        'weightcast_queue_depth{queue="predict"} 0.0',
        'weightcast_workers{queue="predict"} 1.0',
        'weightcast_problems_total{problem="invalid-request"} 1.0',
        "weightcast_redis_up 1.0",
    ):
        assert line in text
    assert 'route="/jobs/{job_id}"' in text and "/jobs/none" not in text


async def test_models(client: httpx.AsyncClient, api_settings: Settings) -> None:
    response = await client.get("/models")
    card = next(card for card in response.json()["models"] if card["name"] == "test-ghn")
    assert (
        card["kind"] == "ghn" and card["num_classes"] == 10 and re.fullmatch(r"[0-9a-f]{64}", card["digest"])
    )
    assert "path" not in card
    assert (await client.get("/models/test-ghn")).json() == card
    known = await client.get("/models", headers={"If-None-Match": response.headers["etag"]})
    assert known.status_code == 304
    problem = assert_problem(await client.get("/models/tset-ghn"), 404, "not-found")
    assert "test-ghn" in problem["available"]
    add_model(api_settings.home, "new")
    assert "new" in (await client.get("/models")).text


async def test_a_model_is_described_and_removed(client: httpx.AsyncClient, api_settings: Settings) -> None:
    add_model(api_settings.home, "mine", kind="predictor")
    changed = await client.patch("/models/mine", json={"description": "for cells"})
    assert changed.status_code == 200 and changed.json()["description"] == "for cells"
    assert (await client.get("/models/mine")).json() == changed.json()
    assert_problem(await client.patch("/models/mine", json={"name": "other"}), 422, "invalid-request")
    assert (await client.delete("/models/mine")).status_code == 204
    assert_problem(await client.delete("/models/mine"), 404, "not-found")
    assert_problem(await client.patch("/models/mine", json={"description": ""}), 404, "not-found")
    assert_problem(await client.delete("/models/ghn2-cifar10"), 409, "conflict")
    assert (await client.get("/models")).json()["default"] == "test-ghn"


async def test_a_predictor_predicts_no_weights(client: httpx.AsyncClient, api_settings: Settings) -> None:
    add_model(api_settings.home, "ranker", kind="predictor")
    response = await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE, "model": "ranker"})
    assert assert_problem(response, 422)["field"] == "/model"


async def test_about_itself(client: httpx.AsyncClient) -> None:
    operators = {entry["name"]: entry for entry in (await client.get("/operators")).json()["operators"]}
    assert operators["conv"]["primitive"] == "conv" and operators["dropout"]["primitive"] is None
    assert (
        (await client.get("/schemas/archgraph.json")).json()["$schema"].startswith("https://json-schema.org")
    )


async def test_pages_need_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    for path in ("/", "/docs"):
        page = await client.get(path)
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert not re.search(r"https?://", page.text)
        for asset in re.findall(r'(?:src|href)="(/web/[^"]+)"', page.text):
            assert (await client.get(asset)).status_code == 200
    for name in ("nothing.js", "..%2fapp.py", "index.html.py"):
        assert_problem(await client.get(f"/web/{name}"), 404)


def test_it_starts_fast_and_without_torch() -> None:
    code = (
        "import sys; from service.settings import Settings; from service.api.app import create_app;"
        "create_app(Settings(redis_url='unix:///nowhere'));"
        "assert not {'torch', 'onnx', 'ml_dtypes', 'scipy', 'service.workers'} & set(sys.modules)"
    )
    # Processor time, beside that of what it cannot do without: machines differ, and are busy with other work.
    spent, frameworks = (
        min(processor_seconds(each) for _ in range(2)) for each in (code, "import fastapi, redis, numpy")
    )
    # 1.6 to 2.2 times on a busy machine; torch alone would add three times.
    assert spent < 3 * frameworks, f"{spent:.2f} s, its frameworks {frameworks:.2f} s"


def processor_seconds(code: str) -> float:
    """Of an interpreter that runs it."""
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.mark.parametrize("path", ["/predict-weights", "/jobs"])
async def test_trailing_slashes_are_other_paths(client: httpx.AsyncClient, path: str) -> None:
    assert_problem(await client.get(f"{path}/"), 404)
