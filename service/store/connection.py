"""Connections to Redis with short time-outs, and one way to say that it does not answer.

A request must never hang on Redis: connecting gives up after 2 seconds, an answer after 5, and the caller
gets `Unavailable` (503) with `retry_after`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from service.errors import Unavailable
from service.settings import Settings

CONNECT_TIMEOUT_SECONDS = 2.0
ANSWER_TIMEOUT_SECONDS = 5.0
RETRY_AFTER_SECONDS = 5

# Answers of a living Redis that mean "not now": full, loading, read-only replica, disk trouble. Inside a
# script they come wrapped in the script's own error.
_NOT_NOW = re.compile(
    r"(^|[ -])(OOM|LOADING|READONLY|MISCONF|MASTERDOWN|CLUSTERDOWN) "
    r"|used memory > 'maxmemory'|read only replica"
)


def connect(settings: Settings) -> redis.Redis:
    """The Redis of job records. No connection is opened before the first command.

    Errors: Unavailable when no Redis is configured.
    """
    if settings.redis_url is None:
        raise Unavailable(
            "no Redis is configured",
            hint="set WEIGHTCAST_REDIS_URL, or run `weightcast serve`, which starts a private Redis",
        )
    return _client(settings.redis_url)


def connect_cache(settings: Settings) -> redis.Redis:
    """The Redis of small cached answers: its own when configured, else that of the job records."""
    return _client(settings.cache_redis_url) if settings.cache_redis_url else connect(settings)


def _client(url: str) -> redis.Redis:
    # TCP keepalive and health checks notice a peer that vanished without a word; a Unix socket has no such
    # option.
    tcp = {} if url.startswith("unix:") else {"socket_keepalive": True}
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=ANSWER_TIMEOUT_SECONDS,
        health_check_interval=15,
        # One quick retry hides a connection that a restarted Redis closed; more would only hold the caller.
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 1),
        **tcp,
    )


@contextmanager
def redis_or_unavailable() -> Iterator[None]:
    """Turn "Redis does not answer, or not now" into Unavailable. Works as a decorator too."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise _unavailable() from error
    except redis.ResponseError as error:
        if _NOT_NOW.search(str(error)):
            raise _unavailable() from error
        raise


def _unavailable() -> Unavailable:
    return Unavailable(
        "the job store does not answer",
        retry_after=RETRY_AFTER_SECONDS,
        hint="try again in a few seconds; when it lasts, the operator should look at Redis",
    )
