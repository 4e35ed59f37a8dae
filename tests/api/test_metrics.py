"""/metrics: names that Prometheus' linter would accept, and numbers that every API process agrees on."""

from __future__ import annotations

import itertools
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from service.api.architectures import GRAPH_EXAMPLE, TORCHVISION_EXAMPLE
from service.api.services import Services
from service.settings import Settings
from service.store.artifacts import ArtifactStore
from service.store.measurements import BOUNDS_SECONDS

from .asgi import client_of
from .fake_worker import FakeWorker

Samples = dict[str, float]
# https://prometheus.io/docs/practices/naming/#base-units, and what else a metric may count.
UNITS = ("_seconds", "_bytes", "_total")
COUNTED = ("_depth", "_workers", "_jobs", "_up")
LABELS = {"method", "route", "status", "stage", "outcome", "problem", "queue", "kind", "operator", "le"}


async def scrape(client: httpx.AsyncClient) -> str:
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return response.text


def samples(text: str) -> Samples:
    """`name{label="value",...}` without the order of labels mattering to the test."""
    return {
        sample.name
        + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def use_everything(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    for architecture in (GRAPH_EXAMPLE, GRAPH_EXAMPLE, {**TORCHVISION_EXAMPLE, "name": "nosuchnetwork"}):
        await client.post("/predict-weights", json={"architecture": architecture})
    worker.seconds = 30.0
    slow = await client.post(
        "/predict-weights",
        json={"architecture": TORCHVISION_EXAMPLE},
        headers={"Prefer": "respond-async"},
    )
    await client.delete(slow.headers["location"])
    await client.get(f"{slow.headers['location']}?wait=10")
    await client.get("/jobs/0123456789abcdef0123456789abcdef")


async def test_names_units_help_and_labels(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    await use_everything(client, worker)
    text = await scrape(client)
    families = list(text_string_to_metric_families(text))
    assert len(families) >= 18 and len({family.name for family in families}) == len(families)
    for family in families:
        assert re.fullmatch(r"weightcast_[a-z]+(_[a-z]+)*", family.name), family.name
        assert family.documentation.endswith("."), family.name
        # The parser takes `_total` off the names of counters; created timestamps are gauges of its own.
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name.endswith("_created"):
            continue
        assert name.endswith((*UNITS, *COUNTED)), name
        assert (family.type == "counter") == name.endswith("_total"), name
        assert "milli" not in name and not re.search(r"_(ms|mb|min|gauge|counter|histogram)(_|$)", name)
        assert all(set(sample.labels) <= LABELS for sample in family.samples), name
    # No job, key or request is a label: their number would grow for ever.
    assert not re.search(r"[0-9a-f]{12}", "".join(re.findall(r"\{.*?\}", text)))


async def test_jobs_count_once_by_how_they_ended(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    await use_everything(client, worker)
    found = samples(await scrape(client))
    # The second GRAPH_EXAMPLE was known: a hit in the cache, and no job of its own.
    assert found["weightcast_jobs_total kind=predict status=succeeded"] == 1
    assert found["weightcast_jobs_total kind=predict status=failed"] == 1
    assert found["weightcast_jobs_total kind=predict status=cancelled"] == 1
    assert found["weightcast_job_failures_total kind=predict problem=invalid-architecture"] == 1
    assert found["weightcast_job_queue_wait_seconds_count kind=predict"] == 3
    assert found["weightcast_job_duration_seconds_count kind=predict status=succeeded"] == 1
    assert found["weightcast_cache_lookups_total outcome=hit"] == 1
    assert 0 <= found["weightcast_worker_heartbeat_age_seconds queue=predict"] < 60


async def test_operators_that_users_miss(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    text = json.dumps(GRAPH_EXAMPLE)
    for _ in range(2):
        document = json.loads(text.replace('"conv"', '"fused_konv"'))
        refused = await client.post("/predict-weights", json={"architecture": document})
        assert refused.json()["operator"] == "fused_konv"
    found = samples(await scrape(client))
    assert found["weightcast_unsupported_operators_total operator=fused_konv"] == 2
    assert "weightcast_jobs_total" not in " ".join(found)


async def test_every_api_process_shows_the_same_jobs(
    app: FastAPI, client: httpx.AsyncClient, worker: FakeWorker, api_settings: Settings
) -> None:
    await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE})
    async with client_of(api_settings) as another:
        here, there = samples(await scrape(client)), samples(await scrape(another))
    jobs = {name: value for name, value in here.items() if name.startswith("weightcast_job")}
    assert jobs and jobs.items() <= there.items()
    assert "weightcast_cache_lookups_total outcome=miss" not in there  # requests are each process's own


async def test_buckets_are_cumulative_and_geometric(client: httpx.AsyncClient, worker: FakeWorker) -> None:
    await client.post("/predict-weights", json={"architecture": GRAPH_EXAMPLE})
    buckets = [
        (float(sample.labels["le"]), sample.value)
        for family in text_string_to_metric_families(await scrape(client))
        for sample in family.samples
        if sample.name == "weightcast_job_duration_seconds_bucket"
    ]
    bounds, counts = zip(*buckets, strict=True)
    assert bounds == (*BOUNDS_SECONDS, float("inf"))
    assert list(counts) == sorted(counts) and counts[0] == 0 and counts[-1] == 1
    ratios = [high / low for low, high in itertools.pairwise(BOUNDS_SECONDS)]
    assert max(ratios) - min(ratios) < 0.01 and BOUNDS_SECONDS[-1] > 7 * 24 * 3600


async def test_without_redis_the_rest_is_still_told(api_settings: Settings) -> None:
    away = api_settings.model_copy(update={"redis_url": "unix:///nowhere/redis.sock"})
    async with client_of(away) as client:
        found = samples(await scrape(client))
    assert found["weightcast_redis_up"] == 0 and "weightcast_artifact_bytes" in found


def test_one_look_at_all_files_serves_everybody_who_asks_at_once(
    api_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[ArtifactStore] = []

    def slow(self: ArtifactStore) -> int:
        looks.append(self)
        time.sleep(0.2)
        return 7

    monkeypatch.setattr(ArtifactStore, "total_bytes", slow)
    away = api_settings.model_copy(update={"redis_url": "unix:///nowhere/redis.sock"})
    metrics = Services.from_settings(away).metrics
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda _: metrics.render(), range(4)))
    assert len(looks) == 1 and all(b"\nweightcast_artifact_bytes 7.0\n" in text for text in texts)
