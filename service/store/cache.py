"""Small finished answers (result objects, rankings) by request key. Losing one costs a recomputation,
nothing more; so does a cache that is away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis
import structlog

from service.errors import Unavailable
from service.store.connection import redis_or_unavailable

log = structlog.get_logger("weightcast.cache")

LARGEST_VALUE_BYTES = 4 * 2**20


class ResultCache:
    """JSON values that expire."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client

    def get(self, key: str) -> Any | None:
        return self.get_many(key)[0]

    def get_many(self, *keys: str) -> list[Any | None]:
        """The values of these keys, None for each that is not there, in one question."""
        texts: list[str | None] = [None] * len(keys)
        with _unless_away():
            texts = self.redis.mget([f"wc:cache:{key}" for key in keys])
        return [None if text is None else json.loads(text) for text in texts]

    def put(self, key: str, result: Any, ttl_seconds: int = 24 * 3600) -> bool:
        """Keep `result` (JSON-serialisable). False when it was not kept, for instance because it is larger
        than 4 MiB: such answers belong in a file.
        """
        text = json.dumps(result, separators=(",", ":"), allow_nan=False)
        if len(text) > LARGEST_VALUE_BYTES:
            return False
        kept = False
        with _unless_away():
            kept = bool(self.redis.set(f"wc:cache:{key}", text, ex=ttl_seconds))
        return kept

    def put_small(self, values: Mapping[str, str], ttl_seconds: int = 24 * 3600) -> None:
        """Keep short texts, all in one message."""
        with _unless_away(), self.redis.pipeline(transaction=False) as pipe:
            for key, text in values.items():
                pipe.set(f"wc:cache:{key}", json.dumps(text), ex=ttl_seconds)
            pipe.execute()

    def forget(self, key: str) -> None:
        """Drop an answer, for instance when its file is gone."""
        with _unless_away():
            self.redis.delete(f"wc:cache:{key}")


@contextmanager
def _unless_away() -> Iterator[None]:
    """Go on without the cache where its Redis does not answer. (Where it is also the Redis of the jobs, they
    say so.)
    """
    try:
        with redis_or_unavailable():
            yield
    except Unavailable as error:
        log.warning("cache.away", detail=error.detail)
