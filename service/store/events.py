"""Where the events of a job lie in Redis, and what an answer of XREAD means: for threads and for the API."""

from __future__ import annotations

import json
import re
from typing import Any

from service.store.records import Event

MOST_EVENTS = 500  # a read

_EVENT_ID = re.compile(r"\d{1,20}(-\d{1,20})?")


def position(job_id: str, last_id: str) -> dict[str, str]:
    """What to read: everything behind `last_id`, or everything if that is not an id of ours."""
    return {f"wc:events:{job_id}": last_id if _EVENT_ID.fullmatch(last_id) else "0-0"}


def decode(answer: Any) -> list[Event]:
    """The events of an answer for one stream, oldest first."""
    if not answer:
        return []
    _, entries = answer[0]
    return [Event(id=i, type=fields["type"], data=json.loads(fields["data"])) for i, fields in entries]
