"""What is retried, how often, after which pause."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest

from service.client import (
    ApiError,
    BadRequest,
    Conflict,
    ConnectionFailed,
    Forbidden,
    NotFound,
    RateLimited,
    Refused,
    RetryPolicy,
    ServerError,
    TooLarge,
    Unauthorized,
    Unavailable,
)
from service.client._retry import parse_retry_after
from tests.client.conftest import Either, FakeTime
from tests.client.scripted import Script, job, problem

Make = Callable[..., Either]


def test_connect_errors_are_retried_with_growing_pauses(either: Make, fake_time: FakeTime) -> None:
    script = Script(*[httpx.ConnectError("refused")] * 3, job())
    policy = RetryPolicy(random=random.Random(7))

    assert either(script.transport, retry=policy).job("j1").id == "j1"

    first, second, third = fake_time.sleeps
    assert 0.125 <= first <= 0.25
    assert 0.25 <= second <= 0.5
    assert 0.5 <= third <= 1.0


def test_gives_up_after_the_last_attempt(either: Make, fake_time: FakeTime) -> None:
    script = Script(*[httpx.ConnectError("refused")] * 3)
    with pytest.raises(ConnectionFailed, match=r"GET /jobs/j1: refused") as caught:
        either(script.transport, retry=RetryPolicy(attempts=3)).job("j1")
    assert isinstance(caught.value.__cause__, httpx.ConnectError)
    assert len(fake_time.sleeps) == 2


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_busy_answers_are_retried(either: Make, fake_time: FakeTime, status: int) -> None:
    script = Script(problem(status), job())
    assert either(script.transport).job("j1").status == "succeeded"
    assert len(fake_time.sleeps) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500])
def test_other_refusals_are_not(either: Make, fake_time: FakeTime, status: int) -> None:
    script = Script(problem(status))
    with pytest.raises(ApiError) as caught:
        either(script.transport).job("j1")
    assert caught.value.status == status
    assert fake_time.sleeps == []


def test_retry_after_seconds_is_honoured(either: Make, fake_time: FakeTime) -> None:
    script = Script(problem(429, {"Retry-After": "17"}), job())
    either(script.transport).job("j1")
    assert fake_time.sleeps == [17.0]


def test_retry_after_beyond_the_deadline_fails_at_once(either: Make, fake_time: FakeTime) -> None:
    script = Script(problem(503, {"Retry-After": "60"}))
    with pytest.raises(Unavailable) as caught:
        either(script.transport).job("j1", timeout=30)
    assert caught.value.retry_after_seconds == 60
    assert fake_time.sleeps == []


def test_the_deadline_bounds_all_retries_together(either: Make, fake_time: FakeTime) -> None:
    script = Script(*[httpx.ConnectError("refused")] * 50)
    with pytest.raises(ConnectionFailed):
        either(script.transport, retry=RetryPolicy(attempts=50)).job("j1", timeout=10)
    assert sum(fake_time.sleeps) <= 10


def test_a_lost_answer_of_training_is_repeated_with_the_same_key(either: Make, fake_time: FakeTime) -> None:
    script = Script(httpx.ReadError("reset"), job("queued", kind="training"))
    either(script.transport).create_training_job("ghn", "mine", {"steps": 10})
    keys = [request.headers["Idempotency-Key"] for request in script.requests]
    assert keys[0] == keys[1]


def test_wrong_urls_are_not_retried(either: Make, fake_time: FakeTime) -> None:
    script = Script(httpx.UnsupportedProtocol("no such scheme"))
    with pytest.raises(ConnectionFailed):
        either(script.transport).job("j1")
    assert fake_time.sleeps == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (415, BadRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, TooLarge),
        (422, Refused),
        (429, RateLimited),
        (500, ServerError),
        (503, Unavailable),
    ],
)
def test_each_status_has_its_exception(either: Make, fake_time: FakeTime, status: int, kind: type) -> None:
    script = Script(problem(status, hint="Remove the edge b -> a.", node="a"))
    with pytest.raises(ApiError) as caught:
        either(script.transport, retry=RetryPolicy(attempts=1)).job("j1")
    error = caught.value
    assert type(error) is kind
    assert str(error) == "The graph has a cycle. Remove the edge b -> a."
    assert error.code == "invalid-architecture"
    assert error.hint == "Remove the edge b -> a."
    assert error.problem["node"] == "a"


def test_an_error_page_of_a_proxy_is_reported_without_its_html(either: Make, fake_time: FakeTime) -> None:
    script = Script(httpx.Response(404, headers={"Content-Type": "text/html"}, content=b"<h1>nginx</h1>"))
    with pytest.raises(NotFound) as caught:
        either(script.transport).job("j1")
    assert str(caught.value) == "http://service.test/jobs/j1 answered 404 Not Found."


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 12 ", 12.0),
        ("9" * 400, 999_999_999.0),
        ("Thu, 01 Jan 2026 00:01:30 GMT", 90.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("2026-01-01T00:00:00Z", None),
        ("soon", None),
        ("-5", None),
        ("\u0663", None),
    ],
)
def test_retry_after_values(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=datetime(2026, 1, 1, tzinfo=UTC)) == seconds
