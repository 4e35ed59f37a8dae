"""No accepted job is lost."""

from __future__ import annotations

import pytest

from service.settings import Settings
from service.store import lease
from service.store.jobs import JobStore
from service.store.queue import enqueue
from service.store.records import Job, JobStatus
from service.workers import recovery
from service.workers.recovery import Reconciler, waiting_ids


@pytest.fixture
def store(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> JobStore:
    monkeypatch.setattr(recovery, "PATIENCE_SECONDS", 0.0)
    return JobStore.from_settings(settings)


def make(store: JobStore) -> Job:
    return store.create("predict", key="", payload={}, owner="anna", queue="predict")


def test_a_job_that_was_never_sent_is_sent_once(store: JobStore, settings: Settings) -> None:
    job, reconciler = make(store), Reconciler(store, settings)
    reconciler.step()
    assert waiting_ids(store, "predict") == {job.id}
    reconciler.step()
    assert store.queue_depth("predict") == 1


def test_a_job_that_waits_in_the_queue_is_left_alone(store: JobStore, settings: Settings) -> None:
    enqueue(make(store), settings)
    Reconciler(store, settings).step()
    assert store.queue_depth("predict") == 1


def test_a_job_whose_worker_is_gone_is_sent_again(store: JobStore, settings: Settings) -> None:
    job = make(store)
    store.begin(job.id, "dead")  # running, and nobody holds the lease
    Reconciler(store, settings).step()
    assert waiting_ids(store, "predict") == {job.id}


def test_a_job_that_somebody_works_on_is_left_alone(store: JobStore, settings: Settings) -> None:
    job = make(store)
    with lease.held(store.redis, job.id, 30) as held:
        assert held is not None
        store.begin(job.id, held.token)
        Reconciler(store, settings).step()
    assert store.queue_depth("predict") == 0


def test_a_cancelled_job_whose_worker_died_ends(store: JobStore, settings: Settings) -> None:
    job = make(store)
    with lease.held(store.redis, job.id, 30) as held:
        assert held is not None
        store.begin(job.id, held.token)
        store.request_cancel(job.id)
    Reconciler(store, settings).step()
    assert store.get(job.id).status is JobStatus.CANCELLED  # type: ignore[union-attr]


def test_patience(store: JobStore, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "PATIENCE_SECONDS", 60.0)
    make(store)
    reconciler = Reconciler(store, settings)
    reconciler.step()
    reconciler.step()
    assert store.queue_depth("predict") == 0


def test_one_process_at_a_time(store: JobStore, settings: Settings) -> None:
    first, second = Reconciler(store, settings), Reconciler(store, settings)
    first.step()
    make(store)
    second.step()
    assert store.queue_depth("predict") == 0
    first.step()
    assert store.queue_depth("predict") == 1


def test_redis_away_is_no_reason_to_die(settings: Settings) -> None:
    away = Settings(redis_url="redis://127.0.0.1:1/0", home=settings.home)
    Reconciler(JobStore.from_settings(away), away).step()


def test_messages_of_others_do_not_disturb(store: JobStore, settings: Settings) -> None:
    store.redis.rpush("predict", "not json", "{}", '{"body": "!!"}', '{"headers": {"id": "x"}}')
    assert waiting_ids(store, "predict") == {"x"}
