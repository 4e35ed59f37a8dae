"""How much one caller may ask for: a token bucket per identity, kept in Redis so that all API processes
share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import redis

from service.store.connection import redis_or_unavailable

# KEYS: bucket. ARGV: capacity, tokens a second, cost. Returns {allowed, tokens left, seconds until the cost
# is there}. Redis' own clock is used: the API processes' clocks may differ.
_TAKE = """
local capacity, rate, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local tokens, at = unpack(redis.call('HMGET', KEYS[1], 'tokens', 'at'))
tokens = tokens and math.min(capacity, tonumber(tokens) + math.max(0, now - tonumber(at)) * rate) or capacity
local allowed, wait = 0, 0
if tokens >= cost then allowed, tokens = 1, tokens - cost else wait = (cost - tokens) / rate end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], math.ceil(capacity / rate) + 1)
return {allowed, tostring(tokens), tostring(wait)}
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """allowed; limit and remaining in requests; retry_after_seconds is 0 when allowed."""

    allowed: bool
    limit: int
    remaining: int
    retry_after_seconds: int


class RateLimiter:
    """`per_minute` requests a minute, which may come all at once. 0 switches the limit off."""

    def __init__(self, client: redis.Redis, per_minute: int) -> None:
        self.per_minute = per_minute
        self._take = client.register_script(_TAKE)

    @redis_or_unavailable()
    def take(self, identity: str, cost: float = 1) -> Decision:
        """Take `cost` tokens of this identity (hash of its key, or its address)."""
        if not self.per_minute:
            return Decision(True, 0, 0, 0)
        # A request that costs more than the bucket holds would never pass: it costs the whole bucket.
        cost = min(cost, self.per_minute)
        keys, args = [f"wc:rate:{identity}"], [self.per_minute, self.per_minute / 60, cost]
        allowed, left, wait = self._take(keys=keys, args=args)
        return Decision(bool(allowed), self.per_minute, int(float(left)), ceil(float(wait)))
