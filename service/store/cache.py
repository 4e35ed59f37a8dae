"""Small finished answers (result objects, rankings) by request key. Losing one costs a recomputation,
nothing more.
"""

from __future__ import annotations

import json
from typing import Any

import redis

from service.store.connection import redis_or_unavailable

LARGEST_VALUE_BYTES = 4 * 2**20


class ResultCache:
    """JSON values that expire."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client

    @redis_or_unavailable()
    def get(self, key: str) -> Any | None:
        text = self.redis.get(f"wc:cache:{key}")
        return None if text is None else json.loads(text)

    @redis_or_unavailable()
    def put(self, key: str, result: Any, ttl_seconds: int = 24 * 3600) -> bool:
        """Keep `result` (JSON-serialisable). False when it is larger than 4 MiB: such answers belong in a
        file.
        """
        text = json.dumps(result, separators=(",", ":"), allow_nan=False)
        if len(text) > LARGEST_VALUE_BYTES:
            return False
        self.redis.set(f"wc:cache:{key}", text, ex=ttl_seconds)
        return True

    @redis_or_unavailable()
    def forget(self, key: str) -> None:
        """Drop an answer, for instance when its file is gone."""
        self.redis.delete(f"wc:cache:{key}")
