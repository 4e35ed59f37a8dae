"""Job records: one owner, no lost or doubled work, honest answers when Redis is away."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.errors import Conflict, InvalidRequest, Unavailable
from service.settings import Settings
from service.store.jobs import JobStore
from service.store.records import Job, JobStatus
from tests.job_events import events_of


@pytest.fixture
def store(settings: Settings) -> JobStore:
    return JobStore.from_settings(settings)


def make(store: JobStore, key: str = "", kind: str = "predict-weights", owner: str = "anna") -> Job:
    return store.create(kind, key=key, payload={"model": "m"}, owner=owner, queue="predict")


def test_a_job_from_queued_to_succeeded(store: JobStore) -> None:
    job = make(store, key="k")
    assert job.is_new and job.status is JobStatus.QUEUED and job.payload == {"model": "m"}
    assert store.begin(job.id, "token") == 1
    assert store.progress(job.id, 1, 2, "decoding", token="token")
    running = store.get(job.id)
    assert running is not None and running.status is JobStatus.RUNNING and running.progress.done == 1
    assert store.finish(job.id, {"answer": 42}, "token")
    done = store.get(job.id)
    assert done is not None and done.result == {"answer": 42} and done.finished_at >= done.started_at
    assert [event.type for event in events_of(store, job.id)] == ["state", "state", "progress", "state"]
    # What was last said while it ran would look like work that was left undone.
    assert (done.progress.done, done.progress.total, done.progress.message) == (2, 2, "done")


def test_the_public_form_has_exactly_the_documented_fields(store: JobStore) -> None:
    job = make(store)
    fields = {
        "id", "kind", "about", "status", "created_at", "started_at", "finished_at", "progress", "result",
        "error", "links",
    }  # fmt: skip
    assert set(job.model_dump(mode="json")) == fields
    store.begin(job.id, "token")
    store.finish(job.id, {"answer": 42}, "token")
    (listed,) = store.list().jobs
    assert set(listed.model_dump(mode="json")) == fields - {"result"}


def test_two_hundred_equal_requests_at_once_make_one_job(store: JobStore) -> None:
    with ThreadPoolExecutor(40) as pool:
        jobs = list(pool.map(lambda _: make(store, key="same"), range(200)))
    assert len({job.id for job in jobs}) == 1
    assert sum(job.is_new for job in jobs) == 1


def test_a_finished_job_does_not_answer_for_its_key_any_more(store: JobStore) -> None:
    first = make(store, key="k")
    assert store.by_key("k") is not None
    store.begin(first.id, "t")
    store.finish(first.id, {}, "t")
    assert store.by_key("k") is None
    assert make(store, key="k").id != first.id


def test_a_stale_token_changes_nothing(store: JobStore) -> None:
    job = make(store)
    store.begin(job.id, "old")
    assert store.begin(job.id, "new") == 2
    assert not store.progress(job.id, 1, 1, token="old")
    assert not store.finish(job.id, {"from": "old"}, "old")
    assert not store.fail(job.id, {"title": "x"}, "old")
    assert store.finish(job.id, {"from": "new"}, "new")
    assert not store.finish(job.id, {"from": "new again"}, "new")
    assert store.get(job.id).result == {"from": "new"}  # type: ignore[union-attr]


def test_a_final_job_is_not_begun_again(store: JobStore) -> None:
    job = make(store)
    store.begin(job.id, "t")
    store.finish(job.id, {}, "t")
    assert store.begin(job.id, "u") == 0
    assert store.begin("0" * 32, "u") == 0


def test_cancelling_a_waiting_job_ends_it(store: JobStore) -> None:
    job = make(store, key="k")
    cancelled = store.request_cancel(job.id)
    assert cancelled is not None and cancelled.status is JobStatus.CANCELLED
    assert store.begin(job.id, "t") == 0
    assert store.request_cancel(job.id).status is JobStatus.CANCELLED  # type: ignore[union-attr]
    assert store.request_cancel("0" * 32) is None


def test_cancelling_a_running_job_sets_the_flag_and_new_callers_get_a_new_job(store: JobStore) -> None:
    job = make(store, key="k")
    store.redis.set(f"wc:lease:{job.id}", "t")
    store.begin(job.id, "t")
    assert store.request_cancel(job.id).status is JobStatus.RUNNING  # type: ignore[union-attr]
    assert store.is_cancelled(job.id)
    assert store.by_key("k") is None and make(store, key="k").id != job.id
    assert store.cancelled(job.id, "t")
    assert store.get(job.id).status is JobStatus.CANCELLED  # type: ignore[union-attr]


def test_a_job_without_a_token_is_failed_only_when_nobody_works_on_it(store: JobStore) -> None:
    job = make(store)
    store.redis.set(f"wc:lease:{job.id}", "t")
    assert not store.fail(job.id, {"title": "no"})
    store.redis.delete(f"wc:lease:{job.id}")
    assert store.fail(job.id, {"title": "yes"})


def test_a_job_that_is_yielded_keeps_running_without_counting_attempts(store: JobStore) -> None:
    job = make(store)
    store.begin(job.id, "t")
    assert not store.yield_back(job.id, "other")
    assert store.yield_back(job.id, "t")
    assert store.get(job.id).status is JobStatus.RUNNING  # type: ignore[union-attr]
    assert store.begin(job.id, "u") == 1


def test_lists_are_newest_first_by_pages_kinds_and_owners(store: JobStore) -> None:
    jobs = []
    for index in range(7):
        jobs.append(
            make(
                store, kind="train" if index % 2 else "predict-weights", owner="bo" if index == 3 else "anna"
            )
        )
        time.sleep(0.002)  # ids sort by the millisecond
    newest_first = [job.id for job in reversed(jobs)]
    page = store.list(limit=3)
    seen = [job.id for job in page.jobs]
    while page.next_cursor:
        page = store.list(limit=3, cursor=page.next_cursor)
        seen += [job.id for job in page.jobs]
    assert seen == newest_first
    assert len(store.list("train").jobs) == 3
    assert [job.id for job in store.list(owner="bo").jobs] == [jobs[3].id]
    assert [job.id for job in store.list(owner="anna", limit=4, cursor=jobs[4].id).jobs] == newest_first[4:]
    with pytest.raises(InvalidRequest):
        store.list(cursor="../etc")


def test_events_resume_after_the_last_id(store: JobStore) -> None:
    job = make(store)
    store.begin(job.id, "t")
    for step in range(5):
        store.metric(job.id, {"step": step}, token="t")
    events = events_of(store, job.id)
    assert [event.data["step"] for event in events_of(store, job.id, events[-3].id)] == [3, 4]
    assert len(events_of(store, job.id, "nonsense")) == len(events)
    assert events_of(store, job.id, events[-1].id) == []


def test_idempotency_keys(store: JobStore) -> None:
    assert store.idempotency("anna:k", "body") is None
    with pytest.raises(Conflict):
        store.idempotency("anna:k", "body")
    job = make(store)
    store.bind_idempotency("anna:k", "body", job.id)
    assert store.idempotency("anna:k", "body") == job.id
    with pytest.raises(InvalidRequest) as caught:
        store.idempotency("anna:k", "another body")
    assert caught.value.status == 422
    assert store.idempotency("bo:k", "another body") is None
    store.release_idempotency("bo:k")
    assert store.idempotency("bo:k", "third body") is None


def test_finished_records_expire_and_leave_the_lists(settings: Settings) -> None:
    store = JobStore(JobStore.from_settings(settings).redis, ttl_seconds=1)
    job = make(store)
    assert store.redis.ttl(f"wc:job:{job.id}") == -1  # an unfinished job never expires
    assert store.live_count("anna") == 1
    store.begin(job.id, "t")
    store.finish(job.id, {}, "t")
    assert store.live_count("anna") == 0
    time.sleep(1.2)
    assert store.get(job.id) is None and store.list().jobs == []
    assert store.prune_index() == 1 and store.redis.zcard("wc:jobs") == 0


def test_names_that_are_not_ids_are_simply_not_there(store: JobStore) -> None:
    for name in ("", "x", "*", "a" * 31, "../../etc/passwd", "A" * 32):
        assert store.get(name) is None and store.request_cancel(name) is None and events_of(store, name) == []


def test_redis_away_is_unavailable_and_quick(tmp_path: Path) -> None:
    store = JobStore.from_settings(Settings(redis_url=f"unix://{tmp_path}/no.sock", home=tmp_path))
    started = time.monotonic()
    for call in (lambda: store.get("0" * 32), lambda: make(store, key="k"), lambda: store.list()):
        with pytest.raises(Unavailable) as caught:
            call()
        assert caught.value.extra["retry_after"] == 5
    assert time.monotonic() - started < 5


def test_a_full_redis_is_unavailable(store: JobStore) -> None:
    store.redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(Unavailable):
            make(store)
    finally:
        store.redis.config_set("maxmemory", "0")
