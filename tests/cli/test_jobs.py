"""weightcast jobs: how the story of a job is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.cli.jobs import Story, kind_of, readable, subject
from service.client import Job, JobEvent
from tests.cli.conftest import Run, problems

JOB_ID = "01a202db86d9231f895c4f18d446af30"
OTHER_ID = "01a202ffffffffffffffffffffffffff"
START = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS = [
    ("state", {"status": "running"}),
    ("progress", {"done": 0, "total": 200, "message": "step 0"}),
    ("progress", {"done": 50, "total": 200, "message": "step 50"}),
    ("metrics", {"loss": 1.23456789, "step": 50, "eta_seconds": 95.0, "nested": {"a": 1}}),
    ("state", {"status": "succeeded"}),
    ("end", {}),
]


class FakeClient:
    """Stands for the client: one job, whose events have all happened."""

    ending = "succeeded"

    def __init__(self, url: str, api_key: str | None = None) -> None:
        assert url == "http://service.test"

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def job_events(self, job_id: str) -> Iterator[JobEvent]:
        for event, data in EVENTS:
            yield JobEvent(event=event, data=data)

    def jobs(self, **_: object) -> Iterator[Job]:
        for job_id in (JOB_ID, OTHER_ID):
            yield self.job(job_id)

    def cancel_job(self, job_id: str) -> Job:
        return self.job(job_id)

    def job(self, job_id: str) -> Job:
        error = {"detail": "no room"} if self.ending == "failed" else None
        return Job(
            id=job_id,
            kind="training",
            status=self.ending,  # type: ignore[arg-type]
            started_at=START,
            finished_at=START + timedelta(seconds=125),
            error=error,
        )


@pytest.fixture
def watch(run: Run, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("service.client.Client", FakeClient)
    return lambda *more: run("jobs", "watch", JOB_ID, "--url", "http://service.test", *more)


def test_watching_tells_states_progress_measurements_and_the_end(watch: Any) -> None:
    result = watch()
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "state: running"
    assert lines[1] == "progress: 0/200 step 0"
    assert lines[2].startswith("progress: 50/200 step 50, ") and lines[2].endswith(" left")
    assert lines[3:] == [
        "metrics: loss 1.235, step 50, 1 min 35 s left",
        "state: succeeded",
        "training succeeded after 2 min 05 s",
    ]


def test_watching_a_job_that_fails(watch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeClient, "ending", "failed")
    assert (watch().exit_code, watch().stdout.splitlines()[-1]) == (
        1,
        "training failed after 2 min 05 s: no room",
    )


def test_watching_as_json_prints_the_job_alone(watch: Any) -> None:
    assert json.loads(watch("--json").stdout)["id"] == JOB_ID


def test_the_time_left_comes_from_the_pace_that_was_seen() -> None:
    times = iter([100.0, 110.0, 120.0])
    story = Story(clock=lambda: next(times))
    left = []
    for done in (60, 70, 80):
        story.take(JobEvent(event="progress", data={"done": done, "total": 100, "message": "x"}))
        left.append(story.left_seconds)
    assert left == [None, 30.0, 20.0]
    story.take(JobEvent(event="progress", data={"done": 80, "total": 0}))
    assert story.left_seconds is None and story.total is None


@pytest.mark.parametrize(
    ("kind", "about", "text"),
    [
        ("predict", {"name": "resnet50", "model": "ghn2-cifar10"}, "predict: resnet50"),
        ("rank", {"model": "ranker", "architectures": 1200}, "rank: 1,200 architectures, ranker"),
        ("training", {"task": "ghn", "name": "mine"}, "training ghn: mine"),
        ("training", {"task": "search", "space": "darts"}, "training search: darts"),
        ("training", {}, "training: "),
    ],
)
def test_a_job_in_a_few_words(kind: str, about: dict[str, Any], text: str) -> None:
    job = Job.model_validate({"id": JOB_ID, "kind": kind, "status": "queued", "about": about})
    assert f"{kind_of(job)}: {subject(job)}" == text


def test_measurements_on_one_line() -> None:
    assert readable({"accuracy": 12.3456789, "step": 7, "name": "x", "list": [1]}) == (
        "accuracy 12.35, step 7, name x"
    )


def test_the_first_characters_of_an_id_are_enough(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.Client", FakeClient)
    at = ("--url", "http://service.test")
    assert run("jobs", "cancel", JOB_ID[:8], *at).stdout.startswith(JOB_ID)
    several = run("jobs", "cancel", "01a2", *at)
    assert several.exit_code == 3 and "2 jobs begin with '01a2'." in problems(several)[0]["detail"]
    none = run("jobs", "watch", "ff", *at)
    assert none.exit_code == 3 and "There is no job 'ff'." in problems(none)[0]["detail"]


def test_the_list_has_durations_and_zones(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.Client", FakeClient)
    lines = run("jobs", "list", "--url", "http://service.test").stdout.splitlines()
    assert "took" in lines[0] and "2 min 05 s" in lines[1]
    monkeypatch.setattr(FakeClient, "jobs", lambda self, **_: iter(()))
    assert run("jobs", "list", "--url", "http://service.test").stdout == "There are no jobs.\n"
