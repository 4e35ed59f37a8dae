"""Jobs are counted once, in the step that changes their state."""

from __future__ import annotations

import pytest

from service.settings import Settings
from service.store.jobs import JobStore
from service.store.measurements import (
    BOUNDS_SECONDS,
    MOST_OPERATORS,
    Measured,
    count_unsupported,
    decode,
    facts_of,
    read_measured,
)
from service.store.records import Job


@pytest.fixture
def store(settings: Settings) -> JobStore:
    return JobStore.from_settings(settings)


def make(store: JobStore) -> Job:
    return store.create("predict", key="", payload={}, owner="anna", queue="predict")


def measured(store: JobStore) -> Measured:
    return read_measured(store.redis)


def test_nothing_has_happened_yet(store: JobStore) -> None:
    assert not any((*measured(store).counters.values(), *measured(store).histograms.values()))


def test_a_job_that_succeeds_tells_its_wait_its_time_and_its_stages(store: JobStore) -> None:
    job = make(store)
    store.begin(job.id, "t")
    store.finish(job.id, {"timings_ms": {"gnn": 20.0, "decode": 3000.0, "total": 3020.0}}, "t")
    store.finish(job.id, {"timings_ms": {"gnn": 20.0}}, "t")  # too late: refused, and not counted
    found = measured(store)
    assert {name: seen for name, seen in found.counters.items() if seen} == {
        "jobs": {("predict", "succeeded"): 1}
    }
    assert sum(found.histograms["queue_wait"][("predict",)].buckets) == 1
    assert sum(found.histograms["duration"][("predict", "succeeded")].buckets) == 1
    stages = found.histograms["stage"]
    assert set(stages) == {("predict", "gnn"), ("predict", "decode")}
    assert stages[("predict", "gnn")].seconds == pytest.approx(0.02)
    bucket = stages[("predict", "gnn")].buckets.index(1)
    assert BOUNDS_SECONDS[bucket - 1] < 0.02 <= BOUNDS_SECONDS[bucket]


def test_further_attempts_are_redeliveries_and_giving_way_is_none(store: JobStore) -> None:
    job = make(store)
    store.begin(job.id, "first")
    store.begin(job.id, "second")
    assert store.yield_back(job.id, "second")
    store.begin(job.id, "third")
    found = measured(store)
    assert found.counters["redeliveries"] == {("predict",): 1}
    assert sum(found.histograms["queue_wait"][("predict",)].buckets) == 1


def test_a_failure_names_its_problem(store: JobStore) -> None:
    for kind in ("https://weightcast.dev/problems/time-limit", "https://evil.example/" + "x" * 100):
        job = make(store)
        store.begin(job.id, "t")
        store.fail(job.id, {"type": kind, "title": "x"}, "t")
    assert measured(store).counters["failures"] == {("predict", "time-limit"): 1, ("predict", "other"): 1}


def test_a_job_cancelled_before_it_began_has_no_duration(store: JobStore) -> None:
    store.request_cancel(make(store).id)
    found = measured(store)
    assert found.counters["jobs"] == {("predict", "cancelled"): 1} and not found.histograms["duration"]


def test_a_known_answer_is_no_work(store: JobStore) -> None:
    job = make(store)
    store.begin(job.id, job.id)
    store.finish(job.id, {"timings_ms": {"gnn": 20.0}}, job.id)
    found = measured(store)
    assert not any((*found.counters.values(), *found.histograms.values()))


def test_only_words_become_labels() -> None:
    timings = {"gnn": 1.0, "a|b": 1.0, "G": 1.0, "text": "soon", "total": 2.0}
    assert facts_of({"timings_ms": timings}) == {"stages": {"gnn": 0.001}}
    assert facts_of({"ranking": []}) == {}
    # As the result of a training has it.
    assert facts_of({"steps": 4, "skipped": 0}) == {}


def test_operators_of_skipped_architectures_and_of_refusals_are_counted(store: JobStore) -> None:
    skipped = [{"index": i, "problem": {"operator": name}} for i, name in enumerate(["Fft", "Fft", "x|y"])]
    job = make(store)
    store.begin(job.id, "t")
    store.finish(job.id, {"ranking": [], "skipped": [*skipped, {"index": 3, "problem": {}}]}, "t")
    refused = make(store)
    store.begin(refused.id, "t")
    store.fail(refused.id, {"type": "unsupported-operator", "operator": "com.acme::Fused"}, "t")
    count_unsupported(store.redis, {"operator": "Fft"})
    count_unsupported(store.redis, {"detail": "of something else"})
    assert measured(store).counters["unsupported"] == {
        ("Fft",): 3,
        ("com.acme::Fused",): 1,
        ("other",): 1,
    }


def test_names_of_operators_are_bounded(store: JobStore) -> None:
    skipped = [{"problem": {"operator": f"Op{number}"}} for number in range(MOST_OPERATORS + 30)]
    job = make(store)
    store.begin(job.id, "t")
    store.finish(job.id, {"skipped": skipped}, "t")
    for number in range(40):
        count_unsupported(store.redis, {"operator": f"Later{number}"})
    counted = measured(store).counters["unsupported"]
    assert len(counted) == MOST_OPERATORS + 1 and sum(counted.values()) == MOST_OPERATORS + 70
    assert counted[("other",)] >= 40


def test_fields_of_another_version_are_left_out() -> None:
    found = decode([("gone|predict", "1"), ("stage|predict|gnn|99", "1"), ("jobs|predict|failed", "2")])
    assert found.counters["jobs"] == {("predict", "failed"): 2}
    assert sum(found.histograms["stage"][("predict", "gnn")].buckets) == 0
