"""No accepted job is lost: the reconciler finds unfinished jobs that nobody works on and sends them again.

Two ways to get there: the API recorded a job and could not send it; a worker died with its parent, so that
nobody rejected the message. One process at a time does this, whoever holds the lock. Sending a job twice is
harmless (run_once.py).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable

import structlog

from service.errors import Unavailable
from service.settings import Settings
from service.store import lease
from service.store.connection import redis_or_unavailable
from service.store.jobs import JobStore
from service.store.queue import enqueue
from service.store.records import JobSummary

log = structlog.get_logger("weightcast.recovery")

_LOCK = "wc:lock:reconciler"
EVERY_SECONDS = 4.0
# A job must look abandoned for this long: between taking a message and taking the lease there is a moment.
PATIENCE_SECONDS = 4.0
_PRUNE_EVERY_SECONDS = 600.0


class Reconciler:
    """Call `step` often; it does something every few seconds, in one process at a time."""

    def __init__(self, store: JobStore, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self._token = lease.new_token()
        self._abandoned_since: dict[str, float] = {}
        self._pruned_at = time.monotonic()

    def step(self) -> None:
        try:
            with redis_or_unavailable():
                if self._is_elected():
                    self._reconcile()
        except Unavailable:
            log.debug("recovery.redis_away")

    def _is_elected(self) -> bool:
        redis, life_ms = self.store.redis, int(EVERY_SECONDS * 3000)
        current = redis.get(_LOCK)
        if current == self._token:
            return bool(redis.pexpire(_LOCK, life_ms))
        if current is not None and not lease.holder_is_dead(current):
            return False
        if current is not None:
            redis.delete(_LOCK)
        return bool(redis.set(_LOCK, self._token, nx=True, px=life_ms))

    def _reconcile(self) -> None:
        now = time.monotonic()
        waiting: dict[str, set[str]] = {}
        abandoned: dict[str, float] = {}
        for job in self.store.live():
            if lease.holder(self.store.redis, job.id) is not None:
                continue
            lease.drop_dead(self.store.redis, job.id)
            if job.cancel_requested:
                self.store.cancelled(job.id)
                continue
            if job.queue not in waiting:
                waiting[job.queue] = waiting_ids(self.store, job.queue)
            if job.id in waiting[job.queue]:
                continue
            since = self._abandoned_since.get(job.id, now)
            if now - since >= PATIENCE_SECONDS:
                self._send_again(job)
            else:
                abandoned[job.id] = since
        self._abandoned_since = abandoned
        if now - self._pruned_at > _PRUNE_EVERY_SECONDS:
            self._pruned_at = now
            self.store.prune_index()

    def _send_again(self, job: JobSummary) -> None:
        log.warning("job.sent_again", job_id=job.id, kind=job.kind, status=job.status.value)
        enqueue(job, self.settings)


def waiting_ids(store: JobStore, queue: str) -> set[str]:
    """Ids of the jobs whose message waits in a queue of the broker."""
    return set(_job_ids(store.redis.lrange(queue, 0, -1)))


def _job_ids(messages: Iterable[str]) -> Iterable[str]:
    for text in messages:
        try:
            message = json.loads(text)
            # The sender names the message after its job; the body says it too, should that ever change.
            yield message.get("headers", {}).get("id") or json.loads(base64.b64decode(message["body"]))[0][0]
        except (ValueError, KeyError, IndexError, TypeError):
            continue  # a message of somebody else
