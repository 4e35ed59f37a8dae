"""What a job's history in Redis says, read at once."""

from __future__ import annotations

from service.store.event_stream import MOST_EVENTS, decode, position
from service.store.jobs import JobStore
from service.store.records import Event


def events_of(store: JobStore, job_id: str, last_id: str = "0-0") -> list[Event]:
    """Events after `last_id`, oldest first."""
    return decode(store.redis.xread(position(job_id, last_id), count=MOST_EVENTS))
