"""The child of a worker: who counts on it when it ends, and what it does before it is warm."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from service.settings import Settings
from service.store.cache import ResultCache
from service.store.connection import connect_cache
from service.store.jobs import JobStore
from service.store.records import JobStatus
from service.store.workers import WorkerRegistry
from service.workers import child, work
from service.workers.hearing import Hearing
from service.workers.runtime import Runtime


@pytest.mark.parametrize("worker_stops", [True, False])
def test_a_child_that_is_replaced_leaves_its_queue_open(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, worker_stops: bool
) -> None:
    """Jobs that come before the next child is warm wait for it; a worker that stops says goodbye."""
    store, cache = JobStore.from_settings(settings), ResultCache(connect_cache(settings))
    own = child.Child(settings, store, cache, Runtime(settings))
    stopped = threading.Event()
    monkeypatch.setattr(child, "current", lambda: own)
    monkeypatch.setattr(child, "_warm_up", lambda *_: True)
    monkeypatch.setattr(child, "_facts", lambda *_: {})
    monkeypatch.setattr(child, "_stopped", stopped)
    monkeypatch.setattr(child, "_tried", threading.Event())
    monkeypatch.setattr(child, "announced", lambda: worker_stops)
    pulse = threading.Thread(target=child._live, args=(["predict"],))
    pulse.start()
    registry = WorkerRegistry(store.redis)
    deadline = time.monotonic() + 10
    while not registry.serves("predict"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stopped.set()
    pulse.join(10)
    assert registry.serves("predict") is not worker_stops


def test_a_job_that_is_cancelled_while_its_worker_loads_ends_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, cache = JobStore.from_settings(settings), ResultCache(connect_cache(settings))
    own = child.Child(settings, store, cache, Runtime(settings))
    monkeypatch.setattr(child, "_pulse", [threading.current_thread()])
    monkeypatch.setattr(child, "_tried", threading.Event())
    job = store.create("predict", key="", payload={}, owner="a", queue="predict")
    running = threading.Thread(target=work.run, args=(own, job.id))
    running.start()
    deadline = time.monotonic() + 10
    while store.get(job.id).status is not JobStatus.RUNNING:  # type: ignore[union-attr]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    store.request_cancel(job.id)
    running.join(5)
    ended = store.get(job.id)
    assert not running.is_alive() and ended is not None and ended.status is JobStatus.CANCELLED


def test_jobs_that_wait_for_an_idle_process_are_not_heard() -> None:
    now = 0.0
    hearing = Hearing(clock=lambda: now)

    def deaf(waiting: int, at: float) -> bool:
        nonlocal now
        now = at
        return hearing.is_deaf(waiting)

    assert not deaf(3, 0) and not deaf(3, 59) and deaf(3, 61)
    # An empty queue and a job that came are both signs of hearing.
    assert not deaf(0, 62) and not deaf(1, 63) and not deaf(1, 120)
    with hearing.at_work():
        assert not deaf(9, 500) and not deaf(9, 900)
    assert not deaf(9, 901) and not deaf(9, 960) and deaf(9, 962)


def test_a_deaf_worker_is_ended_by_its_child(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store, cache = JobStore.from_settings(settings), ResultCache(connect_cache(settings))
    own = child.Child(settings, store, cache, Runtime(settings))
    stopped, signals = threading.Event(), []

    def end(pid: int, number: int) -> None:
        signals.append((pid, number))
        stopped.set()

    monkeypatch.setattr(child, "current", lambda: own)
    monkeypatch.setattr(child, "_warm_up", lambda *_: True)
    monkeypatch.setattr(child, "_facts", lambda *_: {})
    monkeypatch.setattr(child, "_stopped", stopped)
    monkeypatch.setattr(child, "_tried", threading.Event())
    monkeypatch.setattr(child, "ANNOUNCE_EVERY_SECONDS", 0.01)
    monkeypatch.setattr("service.workers.hearing.PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(child, "hearing", Hearing())
    monkeypatch.setattr(child.os, "kill", end)
    store.redis.lpush("predict", "a message that nobody takes")
    pulse = threading.Thread(target=child._live, args=(["predict"],))
    pulse.start()
    pulse.join(10)
    stopped.set()
    assert signals == [(os.getppid(), signal.SIGKILL)]
