"""weightcast health: one machine's worker, as a container's health check asks."""

from __future__ import annotations

import json
import socket

import pytest
import redis

from service.settings import get_settings
from service.store.workers import WorkerInfo, WorkerRegistry
from tests.cli.conftest import Run


@pytest.fixture
def registry(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> WorkerRegistry:
    monkeypatch.setenv("WEIGHTCAST_REDIS_URL", redis_server)
    get_settings.cache_clear()
    return WorkerRegistry(redis.Redis.from_url(redis_server, decode_responses=True))


def test_a_worker_of_this_machine_is_healthy(run: Run, registry: WorkerRegistry) -> None:
    name = f"{socket.gethostname()}:71"
    registry.announce(WorkerInfo(queue="predict", name=name))
    result = run("health", "predict", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"queue": "predict", "healthy": True, "workers": [name]}


def test_workers_elsewhere_or_of_another_queue_do_not_count(run: Run, registry: WorkerRegistry) -> None:
    registry.announce(WorkerInfo(queue="predict", name=f"{socket.gethostname()}-other:71"))
    registry.announce(WorkerInfo(queue="training", name=f"{socket.gethostname()}:71"))
    assert run("health", "predict").exit_code == 1


def test_a_silent_worker_is_not_healthy(run: Run, registry: WorkerRegistry) -> None:
    worker = WorkerInfo(queue="predict", name=f"{socket.gethostname()}:71")
    registry.announce(worker, seconds=-1)
    assert run("health", "predict").exit_code == 1


def test_an_unreachable_redis_and_an_unknown_queue(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_REDIS_URL", "redis://127.0.0.1:1/0")
    get_settings.cache_clear()
    assert run("health", "predict").exit_code == 1
    assert run("health", "nothing").exit_code == 3
