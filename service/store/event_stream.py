"""Events of a job for asyncio, without a thread a reader."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from weakref import WeakKeyDictionary

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from service.store.connection import ANSWER_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS, redis_or_unavailable
from service.store.records import Event

MOST_EVENTS = 500  # a read
LONGEST_BLOCK_SECONDS = ANSWER_TIMEOUT_SECONDS - 1.0

_EVENT_ID = re.compile(r"\d{1,20}(-\d{1,20})?")


class EventStream:
    """Reads events. Connections belong to the event loop that opened them, so each loop gets a client of its
    own.
    """

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, redis.asyncio.Redis] = WeakKeyDictionary()

    async def read(self, job_id: str, last_id: str = "0-0", block_seconds: float = 0.0) -> list[Event]:
        """Events after `last_id`, oldest first, at most 500; waits up to `block_seconds` (4 at most) for the
        first.

        Errors: Unavailable when Redis does not answer.
        """
        block = max(1, int(min(block_seconds, LONGEST_BLOCK_SECONDS) * 1000)) if block_seconds > 0 else None
        with redis_or_unavailable():
            answer = await self._client().xread(position(job_id, last_id), count=MOST_EVENTS, block=block)
        return decode(answer)

    async def end(self, job_id: str, block_seconds: float) -> None:
        """Wait until the job has ended, for so long at most (4 seconds). A job may have ended without being
        noticed here, a minute ago or under an older worker: its record says so.

        Errors: Unavailable when Redis does not answer.
        """
        block = max(1, int(min(block_seconds, LONGEST_BLOCK_SECONDS) * 1000))
        with redis_or_unavailable():
            await self._client().xread({f"wc:end:{job_id}": "0-0"}, count=1, block=block)

    async def close(self) -> None:
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _client(self) -> redis.asyncio.Redis:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = redis.asyncio.Redis.from_url(
                self._url,
                decode_responses=True,
                socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
                socket_timeout=ANSWER_TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 1),
            )
            self._clients[loop] = client
        return client


def position(job_id: str, last_id: str) -> dict[str, str]:
    """What to read: everything behind `last_id`, or everything if that is not an id of ours."""
    return {f"wc:events:{job_id}": last_id if _EVENT_ID.fullmatch(last_id) else "0-0"}


def decode(answer: Any) -> list[Event]:
    """The events of an answer for one stream, oldest first."""
    if not answer:
        return []
    _, entries = answer[0]
    return [Event(id=i, type=fields["type"], data=json.loads(fields["data"])) for i, fields in entries]
