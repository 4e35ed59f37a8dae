"""Which workers are alive and warm, per queue: what /readyz and "503, no worker serves this queue" ask.

Workers announce themselves every few seconds in one sorted set whose scores are expiry times on Redis'
clock, so a single read answers for all queues, and a worker that dies disappears by itself.
"""

from __future__ import annotations

import json

import redis
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from service.store.connection import redis_or_unavailable

PRESENCE_SECONDS = 15.0  # how long an announcement counts
ANNOUNCE_EVERY_SECONDS = 4.0

_ANNOUNCE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[3], time[1])
return 1
"""
_PRESENT = """
local time = redis.call('TIME')
return redis.call('ZRANGEBYSCORE', KEYS[1], time[1] .. '.' .. string.format('%06d', time[2]), '+inf')
"""
_AGES = """
local now, ages = tonumber(redis.call('TIME')[1]), redis.call('HGETALL', KEYS[1])
for index = 2, #ages, 2 do ages[index] = now - tonumber(ages[index]) end
return ages
"""
_KEY = "wc:workers"
_LAST_SEEN_KEY = "wc:workers:seen"  # queue -> when a worker of it announced itself last


class WorkerFacts(TypedDict, total=False):
    """device: where weights are decoded."""

    device: str


class WorkerInfo(BaseModel):
    """A warm worker process: the queue it serves, its name (host:pid), and facts worth showing."""

    model_config = ConfigDict(frozen=True)

    queue: str
    name: str
    facts: WorkerFacts = {}


class WorkerRegistry:
    """Announcements of warm workers."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client
        self._announce = client.register_script(_ANNOUNCE)
        self._present = client.register_script(_PRESENT)
        self._ages = client.register_script(_AGES)

    @redis_or_unavailable()
    def announce(self, worker: WorkerInfo, seconds: float = PRESENCE_SECONDS) -> None:
        """Count as present for so many seconds."""
        self._announce(keys=[_KEY, _LAST_SEEN_KEY], args=[_member(worker), seconds, worker.queue])

    @redis_or_unavailable()
    def withdraw(self, worker: WorkerInfo) -> None:
        self.redis.zrem(_KEY, _member(worker))

    @redis_or_unavailable()
    def clear(self) -> None:
        """Forget everybody; who lives announces itself again within seconds."""
        self.redis.delete(_KEY)

    @redis_or_unavailable()
    def present(self) -> dict[str, list[WorkerInfo]]:
        """Warm workers by queue; a queue that nobody serves is not there."""
        serving: dict[str, list[WorkerInfo]] = {}
        for member in self._present(keys=[_KEY]):
            worker = WorkerInfo.model_validate_json(member)
            serving.setdefault(worker.queue, []).append(worker)
        return serving

    @redis_or_unavailable()
    def heartbeat_ages(self) -> dict[str, int]:
        """Seconds since any worker of a queue announced itself last. A queue whose last worker has gone
        stays, and its age grows.
        """
        ages = self._ages(keys=[_LAST_SEEN_KEY])
        return dict(zip(ages[::2], map(int, ages[1::2]), strict=True))

    def serves(self, queue: str) -> bool:
        return queue in self.present()


def _member(worker: WorkerInfo) -> str:
    return json.dumps(worker.model_dump(), sort_keys=True)
