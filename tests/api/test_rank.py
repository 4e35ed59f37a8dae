"""Rankings, embeddings and distances: the real API, queue and work, in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis
import torch
from fastapi import FastAPI

from service.client import AsyncClient, Conflict, JobFailed, Refused
from service.predictors.rankers.fitted import FittedPredictor, observe, save_predictor
from service.predictors.smash.checkpoint import save_checkpoint
from service.predictors.smash.config import SmashConfig
from service.predictors.smash.model import Smash
from service.settings import Settings, get_settings
from service.store.cache import ResultCache
from service.store.connection import connect, connect_cache
from service.store.jobs import JobStore
from service.store.workers import WorkerInfo, WorkerRegistry
from service.workers.child import Child
from service.workers.run_once import run_once
from service.workers.runtime import Runtime
from service.workers.work import work_of
from tests.predictors.rankers.test_ranking import GRAPH, NASBENCH101, cell, observations, some_cells
from tests.workers.conftest import make_tiny_model

from .asgi import transport_to

BROKEN = {"format": "nasbench201", "cell": "|nor_conv_9x9~0|"}
NETWORKS: list[Any] = [cell(*["nor_conv_1x1"] * 6), cell(*["nor_conv_3x3"] * 6), BROKEN, {**GRAPH}]


@pytest.fixture
def api_settings(api_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """With a GHN that can be loaded."""
    make_tiny_model(api_settings.home)
    monkeypatch.setenv("WEIGHTCAST_HOME", str(api_settings.home))
    get_settings.cache_clear()
    yield api_settings.model_copy(update={"default_model": "tiny"})
    get_settings.cache_clear()


@pytest.fixture
def ranker(api_settings: Settings) -> Iterator[list[str]]:
    """A worker of the queues `rank` and `training` in a thread; the kinds of the jobs that it ran."""
    store, registry = JobStore.from_settings(api_settings), WorkerRegistry(connect(api_settings))
    child = Child(api_settings, store, ResultCache(connect_cache(api_settings)), Runtime(api_settings))
    present = [WorkerInfo(queue=queue, name="test:1") for queue in ("rank", "training")]
    stopping, ran = threading.Event(), []

    def serve() -> None:
        client = redis.Redis.from_url(str(api_settings.redis_url), decode_responses=True)
        while not stopping.is_set():
            message = client.brpop(["rank", "training"], timeout=0.1)
            if message is not None:
                job_id = json.loads(message[1])["headers"]["id"]
                job = store.get(job_id)
                assert job is not None
                ran.append(job.kind)
                run_once(store, job_id, work_of(child, job.kind), api_settings)

    for info in present:
        registry.announce(info, 600)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield ran
    stopping.set()
    thread.join(20)
    for info in present:
        registry.withdraw(info)


async def test_ranking(client: httpx.AsyncClient, ranker: list[str]) -> None:
    answer = await client.post("/rank-architectures", json={"architectures": NETWORKS, "top_k": 2})
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert (job["kind"], job["status"]) == ("rank", "succeeded")
    result = job["result"]
    assert (result["predictor"], result["property"]) == ("ranker", "accuracy")
    assert [(row["rank"], row["index"]) for row in result["ranking"]] == [(1, 1), (2, 0)]
    assert [row["index"] for row in result["skipped"]] == [2]
    assert "3 groups" in result["skipped"][0]["reason"]
    assert set(result["timings_ms"]) == {"model", "parse", "score", "total"}
    # The same question again is answered from the cache.
    again = await client.post("/rank-architectures", json={"architectures": NETWORKS, "top_k": 2})
    assert again.json()["result"] == result
    assert ranker == ["rank"]


async def test_json_lines(client: httpx.AsyncClient, ranker: list[str]) -> None:
    one, other = map(json.dumps, NETWORKS[:2])
    lines = "\n".join([one, "", "{broken", other, "8:16:24:32:40"])
    answer = await client.post(
        "/rank-architectures?order=ascending",
        content=lines.encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )
    result = answer.json()["result"]
    assert sorted(row["index"] for row in result["ranking"]) == [0, 2, 3]
    assert [row["index"] for row in result["skipped"]] == [1]


async def test_a_fitted_predictor(
    client: httpx.AsyncClient, ranker: list[str], api_settings: Settings
) -> None:
    predictor = FittedPredictor("mine", "latency", observe(observations(some_cells(20))))
    save_predictor(api_settings.home / "models" / "mine", predictor, predictor.cross_validate())
    body: dict[str, Any] = {"architectures": [*some_cells(30, seed=1), NASBENCH101], "predictor": "mine"}
    result = (await client.post("/rank-architectures", json=body)).json()["result"]
    assert (result["predictor"], result["property"]) == ("mine", "latency")
    assert sorted(row["index"] for row in result["ranking"]) == list(range(30))
    assert [row["index"] for row in result["skipped"]] == [30]
    refused = await client.post("/rank-architectures", json={**body, "property": "accuracy"})
    assert (refused.status_code, refused.json()["field"]) == (422, "/property")


async def test_a_predictor_from_own_results(app: FastAPI, ranker: list[str]) -> None:
    """Fitted through the API, listed, and used at once by name."""
    seen = [(item["architecture"], item["value"]) for item in observations(some_cells(30))]
    async with transport_to(app) as transport, AsyncClient("http://localhost", transport=transport) as client:
        fitted = await client.fit_predictor(seen, name="own", property="latency")
        assert (fitted.model, fitted.property, fitted.n) == ("own", "latency", 30)
        assert fitted.interval[0] <= fitted.kendall_tau_cv <= fitted.interval[1]
        assert "30 observations" in fitted.certainty
        assert [model.kind for model in await client.models() if model.name == "own"] == ["predictor"]
        config = {
            "features": "embedding",
            "observations": [{"architecture": one, "value": value} for one, value in seen[:8]],
        }
        job = await client.create_training_job("predictor", "embedded", config)
        done = await client.wait_for_job(job)
        assert done.result is not None and done.result["n"] == 8
        ranking = await client.rank_architectures(some_cells(12, seed=1), predictor="own")
        assert ranking.property == "latency" and len(ranking.ranking) == 12
        with pytest.raises(Conflict):
            await client.fit_predictor(seen, name="own")
        with pytest.raises(JobFailed) as wrong:
            await client.fit_predictor([*seen, (BROKEN, 1.0)], name="other")
        assert wrong.value.problem["observation"] == 30
    assert ranker == ["training", "training", "rank", "training"]


async def test_what_is_wrong_as_a_whole(client: httpx.AsyncClient, ranker: list[str]) -> None:
    one = {"architectures": NETWORKS[:1]}
    wrong: list[dict[str, Any]] = [
        {},
        {"architectures": []},
        {"architectures": {}},
        {**one, "top_k": 0},
        {**one, "order": "best"},
        {**one, "predictor": "none-such"},
        {**one, "predictor": "tiny"},
        {**one, "surprise": 1},
        {**one, "property": "energy"},
    ]
    for body in wrong:
        answer = await client.post("/rank-architectures", json=body)
        assert answer.status_code == 422, (body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    many = await client.post("/rank-architectures", json={"architectures": [1] * 10_001})
    assert (many.status_code, many.json()["limit"]) == (413, 10_000)
    many = await client.post("/compare-architectures", json={"architectures": [1] * 301})
    assert many.status_code == 413
    text = await client.post("/rank-architectures", content=b"x", headers={"Content-Type": "text/plain"})
    assert text.status_code == 415
    assert ranker == []


async def test_no_worker_is_told_at_once(client: httpx.AsyncClient) -> None:
    answer = await client.post("/rank-architectures", json={"architectures": NETWORKS})
    assert answer.status_code == 503


async def test_the_client_ranks_embeds_and_compares(app: FastAPI, ranker: list[str]) -> None:
    async with transport_to(app) as transport, AsyncClient("http://localhost", transport=transport) as client:
        ranking = await client.rank_architectures(NETWORKS, top_k=1)
        assert ranking.ranking[0].index == 1
        assert ranking.skipped[0].index == 2
        embedded = await client.embed_architectures([*NETWORKS, NETWORKS[0]], model="tiny")
        assert embedded.indices == [0, 1, 3, 4]
        assert [len(vector) for vector in embedded.embeddings] == [8] * 4
        assert embedded.embeddings[0] == pytest.approx(embedded.embeddings[3], abs=1e-5)
        compared = await client.compare_architectures([*NETWORKS, NETWORKS[0]], model="tiny")
        assert compared.indices == [0, 1, 3, 4]
        for i in range(4):
            assert compared.distances[i][i] == 0
            assert compared.distances[i] == pytest.approx([row[i] for row in compared.distances])
        assert set(embedded.timings_ms) == {"model", "parse", "embed", "total"}
        # The embeddings were still known.
        assert set(compared.timings_ms) == {"model", "parse", "compare", "total"}
        assert compared.distances[0][3] < 1e-4 < compared.distances[0][1]
        with pytest.raises(Refused):
            await client.embed_architectures(NETWORKS, model="none-such")
    assert ranker == ["rank", "embed", "compare"]


# On images: they are named, and lie with the worker.

BLOCK = {"banks": 1, "bank_channels": 4, "layers": [{"read": [0], "write": [0], "channels": 4}]}
NETWORK = {"format": "smash", "blocks": [BLOCK], "image_size": 8}
ON_DIGITS: dict[str, Any] = {"data": "digits", "images": 64}


@pytest.fixture
def smash(api_settings: Settings) -> str:
    torch.manual_seed(0)
    config = SmashConfig(blocks=1, banks=1, layers=1, unit=4, bank_units=1, layer_units=1, hidden=4, depth=1)
    card = {"name": "small", "kind": "smash", "training": {"image_size": 8}}
    save_checkpoint(api_settings.home / "models" / "small", Smash(config), card)
    return "smash:small"


async def test_a_smash_model_and_a_ghn_rank(app: FastAPI, ranker: list[str], smash: str) -> None:
    async with transport_to(app) as transport, AsyncClient("http://localhost", transport=transport) as client:
        networks = [NETWORK, {**NETWORK, "stem_channels": 3}, GRAPH]
        found = await client.rank_architectures(networks, predictor=smash, **ON_DIGITS)
        assert found.predictor == smash
        assert sorted(row.index for row in found.ranking) == [0, 1]
        assert [item.index for item in found.skipped] == [2]
        assert all(0 <= row.score <= 100 for row in found.ranking if row.score is not None)
        cells = [{"format": "ghn1", "operations": [["conv_1x1", [1]]], "channels": 4, "blocks": 2}]
        found = await client.rank_architectures(cells, predictor="predicted-weights:tiny", **ON_DIGITS)
        assert found.note is not None and "64 validation images of digits" in found.note
        assert len(found.ranking) == 1
    assert ranker == ["rank", "rank"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"predictor": "smash:small"}, ""),
        ({"data": "digits"}, ""),
        ({"predictor": "smash:tiny", "data": "digits"}, "/predictor"),
        ({"predictor": "predicted-weights:small", "data": "digits"}, "/predictor"),
        ({"predictor": "small"}, "/predictor"),
        ({"predictor": "smash:none", "data": "digits"}, None),
        ({"predictor": "smash:small", "data": "../secret"}, "/data"),
        ({"predictor": "smash:small", "data": "nowhere"}, "/data"),
    ],
)
async def test_what_does_not_fit_is_refused(
    client: httpx.AsyncClient, ranker: list[str], smash: str, options: dict[str, Any], field: str | None
) -> None:
    refused = await client.post("/rank-architectures", json={"architectures": [NETWORK], **options})
    assert 400 <= refused.status_code < 500, refused.text
    if field is not None:
        assert refused.json().get("field", "") == field


async def test_a_search_by_generated_weights_is_a_job(
    client: httpx.AsyncClient, ranker: list[str], smash: str
) -> None:
    config = {"space": "smash", "predictor": smash, "evaluations": 4, "data": "digits"}
    trained = {"kind": "search", "config": {**config, "train": 2, "train_epochs": 1}}
    made = await client.post("/training-jobs", json=trained, headers={"Prefer": "wait=60"})
    assert made.status_code == 200, made.text
    found = made.json()["result"]
    assert found["predictor"] == smash
    assert len(found["trained"]["best"]["values"]) == len(found["trained"]["random"]["values"]) == 2
    other = {"kind": "search", "config": {**config, "predictor": "smash:tiny"}}
    refused = await client.post("/training-jobs", json=other)
    assert (refused.status_code, refused.json()["field"]) == (422, "/config/predictor")


async def test_distances_by_nodes_need_no_model(app: FastAPI, ranker: list[str]) -> None:
    async with transport_to(app) as transport, AsyncClient("http://localhost", transport=transport) as client:
        sparse, dense = cell(*["nor_conv_1x1"] * 6), cell(*["nor_conv_3x3"] * 6)
        found = await client.compare_architectures([sparse, BROKEN, dense, GRAPH], by="nodes")
    assert (found.model, found.indices) == (None, [0, 2, 3])
    assert [item.index for item in found.skipped] == [1]
    # The cells differ in shapes alone.
    assert found.distances[0][1] == found.distances[1][0] == 0
    assert found.distances[0][2] > 0


async def test_a_model_and_distances_by_nodes_do_not_go_together(client: httpx.AsyncClient) -> None:
    body = {"architectures": [GRAPH, GRAPH], "model": "tiny", "by": "nodes"}
    assert (await client.post("/compare-architectures", json=body)).status_code == 422
