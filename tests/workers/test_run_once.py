"""A job runs at most once at a time and a bounded number of times in all, whatever is delivered."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
import torch

from service.errors import InvalidArchitecture, Unavailable
from service.settings import Settings
from service.store import lease
from service.store.jobs import JobStore
from service.store.records import Job, JobStatus
from service.workers.run_once import JobContext, JobYields, run_once


@pytest.fixture
def store(settings: Settings) -> JobStore:
    return JobStore.from_settings(settings)


def make(store: JobStore) -> Job:
    return store.create("predict", key="k", payload={}, owner="anna", queue="predict")


def final(store: JobStore, job: Job) -> Job:
    found = store.get(job.id)
    assert found is not None
    return found


def test_the_result_is_recorded(store: JobStore, settings: Settings) -> None:
    job = make(store)
    assert not run_once(store, job.id, lambda context: {"kind": context.job.kind}, settings)
    assert final(store, job).result == {"kind": "predict"}
    assert lease.holder(store.redis, job.id) is None


def test_a_duplicate_delivery_does_nothing(store: JobStore, settings: Settings) -> None:
    job, runs, inside, go = make(store), [], threading.Event(), threading.Event()

    def work(context: JobContext) -> dict[str, Any]:
        runs.append(1)
        inside.set()
        go.wait(5)
        return {}

    first = threading.Thread(target=run_once, args=(store, job.id, work, settings))
    first.start()
    assert inside.wait(5)
    run_once(store, job.id, work, settings)  # while the first copy runs
    go.set()
    first.join()
    run_once(store, job.id, work, settings)  # after it has ended
    assert runs == [1] and final(store, job).status is JobStatus.SUCCEEDED


def test_a_users_mistake_is_the_jobs_problem(store: JobStore, settings: Settings) -> None:
    def work(context: JobContext) -> dict[str, Any]:
        raise InvalidArchitecture("the network has a cycle", node="conv1")

    job = make(store)
    run_once(store, job.id, work, settings)
    error = final(store, job).error
    assert error is not None and error["status"] == 422 and error["node"] == "conv1"


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (RuntimeError("secret path"), "internal-error"),
        (MemoryError(), "out-of-memory"),
        (torch.OutOfMemoryError("CUDA out of memory."), "out-of-memory"),
    ],
)
def test_our_own_failure_is_told_in_one_sentence(
    store: JobStore, settings: Settings, raised: Exception, code: str
) -> None:
    def work(context: JobContext) -> dict[str, Any]:
        raise raised

    job = make(store)
    run_once(store, job.id, work, settings)
    error = final(store, job).error
    assert error is not None and error["type"].endswith(code) and "secret" not in str(error)


def test_a_job_that_kills_its_worker_ends_after_three_attempts(store: JobStore, settings: Settings) -> None:
    job, runs = make(store), []
    code = "from service.store.lease import new_token; import sys; sys.stdout.write(new_token())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for _ in range(settings.job_attempts):  # a worker took the lease, began, and died
        store.redis.set(lease.key_of(job.id), dead)
        assert store.begin(job.id, dead)
    run_once(store, job.id, lambda context: runs.append(1) or {}, settings)
    found = final(store, job)
    assert runs == [] and found.status is JobStatus.FAILED
    assert found.error is not None and found.error["type"].endswith("retries-exhausted")


def test_cancelling_stops_the_work_at_its_next_report(store: JobStore, settings: Settings) -> None:
    job = make(store)

    def work(context: JobContext) -> dict[str, Any]:
        assert store.request_cancel(job.id).status is JobStatus.RUNNING  # type: ignore[union-attr]
        context.progress(1, 2)
        pytest.fail("went on")

    run_once(store, job.id, work, settings)
    assert final(store, job).status is JobStatus.CANCELLED


def test_a_stale_holder_cannot_overwrite(store: JobStore, settings: Settings) -> None:
    job = make(store)

    def work(context: JobContext) -> dict[str, Any]:
        # Everybody believes this worker dead; another one takes the job and finishes it.
        store.redis.delete(lease.key_of(job.id))
        run_once(store, job.id, lambda _: {"from": "the second"}, settings)
        return {"from": "the first"}

    run_once(store, job.id, work, settings)
    assert final(store, job).result == {"from": "the second"}


def test_a_job_that_gives_way_is_to_be_sent_again(store: JobStore, settings: Settings) -> None:
    def work(context: JobContext) -> dict[str, Any]:
        raise JobYields

    job = make(store)
    for _ in range(5):  # more often than a job may be attempted
        assert run_once(store, job.id, work, settings)
        assert final(store, job).status is JobStatus.RUNNING
    run_once(store, job.id, lambda context: {"done": True}, settings)
    assert final(store, job).result == {"done": True}


def test_progress_that_cannot_be_told_does_not_stop_the_work(
    store: JobStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> bool:
        raise Unavailable("away")

    def work(context: JobContext) -> dict[str, Any]:
        with monkeypatch.context() as broken:
            broken.setattr(store, "progress", away)
            broken.setattr(store, "is_cancelled", away)
            context.progress(1, 2)
        return {"x": 1}

    job = make(store)
    run_once(store, job.id, work, settings)
    assert final(store, job).result == {"x": 1}


def test_the_end_is_recorded_once_redis_is_back(
    store: JobStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, calls, finish = make(store), [], store.finish

    def flaky(*args: Any) -> bool:
        calls.append(1)
        if len(calls) < 3:
            raise Unavailable("away")
        return finish(*args)

    monkeypatch.setattr(store, "finish", flaky)
    run_once(store, job.id, lambda context: {"x": 1}, settings)
    assert len(calls) == 3 and final(store, job).result == {"x": 1}
