"""Cache, rate limits, presence of workers, and the message of a task."""

from __future__ import annotations

import base64
import json
import time

import pytest

from service.errors import Unavailable
from service.settings import Settings
from service.store.broker import broker_options, broker_url
from service.store.cache import ResultCache
from service.store.connection import connect, connect_cache
from service.store.jobs import JobStore
from service.store.limits import RateLimiter
from service.store.queue import enqueue
from service.store.workers import WorkerInfo, WorkerRegistry


def test_the_cache_keeps_and_forgets(settings: Settings) -> None:
    cache = ResultCache(connect_cache(settings))
    assert cache.get("k") is None
    assert cache.put("k", {"a": [1, 2.5, None]}, ttl_seconds=60)
    assert cache.get("k") == {"a": [1, 2.5, None]}
    cache.forget("k")
    assert cache.get("k") is None
    assert not cache.put("k", "x" * (5 * 2**20))


def test_a_cache_that_is_away_knows_nothing() -> None:
    cache = ResultCache(connect_cache(Settings(cache_redis_url="redis://127.0.0.1:1/0")))
    assert cache.get("k") is None
    assert not cache.put("k", 1)
    cache.forget("k")


def test_the_bucket_empties(settings: Settings) -> None:
    limiter = RateLimiter(connect(settings), per_minute=5)
    assert [limiter.take("anna").allowed for _ in range(6)] == [True] * 5 + [False]
    assert 1 <= limiter.take("anna").retry_after_seconds <= 12
    assert limiter.take("bo").remaining == 4


def test_the_bucket_fills(settings: Settings) -> None:
    limiter = RateLimiter(connect(settings), per_minute=600)
    assert limiter.take("anna", cost=600).allowed
    time.sleep(0.5)
    assert limiter.take("anna", cost=4).allowed


def test_no_limit_and_costly_requests(settings: Settings) -> None:
    assert RateLimiter(connect(settings), per_minute=0).take("anna").allowed
    limiter = RateLimiter(connect(settings), per_minute=10)
    assert limiter.take("anna", cost=1000).allowed
    assert not limiter.take("anna", cost=1).allowed


def test_workers_that_fall_silent_disappear(settings: Settings) -> None:
    registry = WorkerRegistry(connect(settings))
    one, two = WorkerInfo(queue="predict", name="a:1"), WorkerInfo(queue="training", name="a:2")
    assert registry.present() == {}
    registry.announce(one, seconds=2)
    registry.announce(two)
    assert registry.present() == {"predict": [one], "training": [two]} and registry.serves("predict")
    time.sleep(2.2)
    assert registry.present() == {"training": [two]}
    registry.withdraw(two)
    assert not registry.serves("training")


def test_a_message_is_the_job_id_and_small(settings: Settings) -> None:
    store = JobStore.from_settings(settings)
    job = store.create("predict", key="", payload={"big": "x" * 10_000}, owner="a", queue="predict")
    enqueue(job, settings)
    assert store.queue_depth("predict") == 1
    (text,) = store.redis.lrange("predict", 0, -1)
    message = json.loads(text)
    assert json.loads(base64.b64decode(message["body"]))[0] == [job.id]
    assert message["headers"]["task"] == "predict.run" and message["content-type"] == "application/json"
    assert len(text) < 1500


def test_sending_without_a_broker_is_unavailable_and_quick(settings: Settings) -> None:
    store = JobStore.from_settings(settings)
    job = store.create("predict", key="", payload={}, owner="a", queue="predict")
    away = Settings(redis_url="redis://127.0.0.1:1/0", home=settings.home)
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        enqueue(job, away)
    assert caught.value.extra["retry_after"] and time.monotonic() - started < 5


def test_the_visibility_timeout_is_the_same_in_its_three_places(settings: Settings) -> None:
    options = broker_options(settings)
    assert (
        options["visibility_timeout"]
        == options["broker_transport_options"]["visibility_timeout"]
        == options["result_backend_transport_options"]["visibility_timeout"]
        == settings.visibility_timeout_seconds
    )


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://:pw@h:6379/2", "redis://:pw@h:6379/2"),
        ("unix:///run/r.sock", "redis+socket:///run/r.sock"),
        ("unix:///run/r.sock?db=3", "redis+socket:///run/r.sock?virtual_host=3"),
    ],
)
def test_the_brokers_dialect(url: str, broker: str, settings: Settings) -> None:
    assert broker_url(Settings(redis_url=url, home=settings.home)) == broker


def test_without_a_redis_it_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(Unavailable) as caught:
        connect(Settings(home=settings.home))
    assert "weightcast serve" in caught.value.extra["hint"]
