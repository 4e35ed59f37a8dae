"""Jobs, their events, models, rankings, health."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from service.client import Client, Conflict, ConnectionFailed, JobFailed, NotFound, RetryPolicy
from tests.client.conftest import Either, FakeTime
from tests.client.scripted import BrokenStream, Script, job, problem

Make = Callable[..., Either]


def events(*blocks: str) -> httpx.Response:
    return httpx.Response(
        200,
        headers={"Content-Type": "text/event-stream"},
        content="".join(f"{b}\n\n" for b in blocks).encode(),
    )


PROGRESS = 'id: 1-0\nevent: progress\ndata: {"done": 1, "total": 2, "message": "step"}'
METRIC = 'id: 2-0\nevent: metric\ndata: {"loss":\ndata: 2.5}'
DONE = 'id: 3-0\nevent: state\ndata: {"status": "succeeded"}\n\nevent: end\ndata: null'


def test_events_until_the_job_has_ended(either: Make, fake_time: FakeTime) -> None:
    script = Script(events(": keep-alive", PROGRESS, METRIC, DONE))
    seen = either(script.transport).job_events("j1")
    assert [(event.id, event.event) for event in seen] == [
        ("1-0", "progress"),
        ("2-0", "metric"),
        ("3-0", "state"),
        ("3-0", "end"),
    ]
    assert seen[1].data == {"loss": 2.5}
    assert script.requests[0].headers["Accept"] == "text/event-stream"


def test_a_stream_that_ends_early_is_taken_up(either: Make, fake_time: FakeTime) -> None:
    script = Script(
        events(PROGRESS),
        httpx.Response(200, stream=BrokenStream(b'id: 2-0\nevent: metric\ndata: {"loss": 1}\n\ndata: {"cut')),
        problem(503, {"Retry-After": "3"}),
        events(DONE),
    )
    seen = either(script.transport).job_events("j1")
    assert [event.id for event in seen] == ["1-0", "2-0", "3-0", "3-0"]
    assert [request.headers.get("Last-Event-ID") for request in script.requests] == [
        None,
        "1-0",
        "2-0",
        "2-0",
    ]
    assert fake_time.sleeps[2] == 3.0


def test_a_stream_that_breaks_behind_the_last_event(either: Make, fake_time: FakeTime) -> None:
    last = DONE.partition("\n\n")[0]
    script = Script(events("retry: 1500", last), httpx.Response(204))
    assert [event.event for event in either(script.transport).job_events("j1")] == ["state"]
    assert fake_time.sleeps[0] == 1.5


def test_a_stream_of_a_job_that_is_not_there(either: Make, fake_time: FakeTime) -> None:
    with pytest.raises(NotFound):
        either(Script(problem(404)).transport).job_events("j1")


def test_a_stream_that_never_comes_back(either: Make, fake_time: FakeTime) -> None:
    script = Script(events(PROGRESS), *[httpx.ConnectError("refused")] * 5)
    with pytest.raises(ConnectionFailed, match="events of job j1: refused"):
        either(script.transport, retry=RetryPolicy(attempts=3)).job_events("j1")


def test_waiting_for_a_job_by_id(either: Make, fake_time: FakeTime) -> None:
    script = Script(job("running"), job("running"), job("succeeded", result={"model": "mine"}))
    assert either(script.transport).wait_for_job("j1").result == {"model": "mine"}


def test_waiting_for_a_job_that_fails(either: Make, fake_time: FakeTime) -> None:
    failed = {"type": "about:blank", "status": 500, "detail": "The loss became NaN."}
    with pytest.raises(JobFailed, match="became NaN"):
        either(Script(job("failed", error=failed)).transport).wait_for_job("j1")
    final = either(Script(job("failed", error=failed)).transport).wait_for_job("j1", check=False)
    assert final.status == "failed"


def test_cancelling(either: Make, fake_time: FakeTime) -> None:
    script = Script(job("cancelled"))
    assert either(script.transport).cancel_job("j1").status == "cancelled"
    assert (script.requests[0].method, script.requests[0].url.path) == ("DELETE", "/jobs/j1")
    with pytest.raises(Conflict):
        either(Script(problem(409)).transport).cancel_job("j1")


def test_training_jobs_page_by_page(either: Make, fake_time: FakeTime) -> None:
    one = job("running", kind="training").json()
    script = Script(
        httpx.Response(200, json={"jobs": [one, {**one, "id": "j2"}], "next_cursor": "c1"}),
        httpx.Response(200, json={"jobs": [{**one, "id": "j3"}], "next_cursor": None}),
    )
    listed = either(script.transport).training_jobs(page_size=2)
    assert [item.id for item in listed] == ["j1", "j2", "j3"]
    assert dict(script.requests[1].url.params) == {"limit": "2", "cursor": "c1"}


def test_models(either: Make, fake_time: FakeTime) -> None:
    card = {"name": "ghn2-cifar10", "kind": "ghn2", "num_classes": 10, "scores": {"id-test": 30.1}}
    assert (
        either(Script(httpx.Response(200, json={"models": [card]})).transport).models()[0].num_classes == 10
    )
    script = Script(httpx.Response(200, json=card))
    assert either(script.transport).model("a b/c").name == "ghn2-cifar10"
    assert script.requests[0].url.raw_path == b"/models/a%20b%2Fc"


@pytest.mark.parametrize("as_job", [True, False])
def test_ranking(either: Make, fake_time: FakeTime, as_job: bool) -> None:
    answer = {
        "property": "accuracy",
        "predictor": "p",
        "ranking": [{"rank": 1, "index": 1, "name": None, "score": 93.5}],
        "skipped": [{"index": 0, "reason": {"detail": "cycle"}}],
    }
    script = Script(job(kind="rank", result=answer) if as_job else httpx.Response(200, json=answer))
    cells = [{"format": "nasbench201", "cell": "a"}, {"format": "nasbench201", "cell": "b"}]
    ranking = either(script.transport).rank_architectures(cells, top_k=1)
    assert script.sent_lines() == cells
    assert dict(script.requests[0].url.params) == {"unconnected": "skip", "top_k": "1"}
    assert ranking.ranking[0].score == 93.5
    assert ranking.skipped[0].index == 0


def test_embeddings_and_distances(either: Make, fake_time: FakeTime) -> None:
    cell = {"format": "nasbench201", "cell": "a"}
    answer = {"model": "m", "embeddings": [[0.0, 1.0]]}
    assert either(Script(httpx.Response(200, json=answer)).transport).embed_architectures([cell]).embeddings
    answer = {"model": "m", "distances": [[0.0]]}
    assert either(Script(httpx.Response(200, json=answer)).transport).compare_architectures([cell]).distances


def test_health(either: Make, fake_time: FakeTime) -> None:
    checks = {"redis": "ok", "workers": {"predict": 0}}
    ready = either(Script(httpx.Response(200, json={"checks": checks})).transport).health()
    assert ready.ready and ready.checks == checks
    assert not either(Script(httpx.Response(503, json={"checks": checks})).transport).health().ready
    with pytest.raises(ConnectionFailed):
        either(Script(httpx.ConnectError("refused")).transport).health()


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://host.test", "http://host.test/jobs/j1"),
        ("http://host.test/", "http://host.test/jobs/j1"),
        ("host.test:8000", "http://host.test:8000/jobs/j1"),
        ("https://host.test/weightcast", "https://host.test/weightcast/jobs/j1"),
    ],
)
def test_base_urls(base: str, url: str) -> None:
    script = Script(job())
    with Client(base, transport=script.transport) as client:
        client.job("j1")
    assert str(script.requests[0].url) == url
