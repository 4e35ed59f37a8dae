"""The `Prefer` header (RFC 7240): how long a call may wait for its result.

    Prefer: wait=30         hold the call for up to 30 seconds, then answer 202
    Prefer: respond-async   do not hold it at all
    (no header)             hold it for the default

Preferences are wishes: what cannot be read is ignored, what is larger than allowed is cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_WAIT = re.compile(r'^wait\s*=\s*"?(\d{1,6})"?$')


@dataclass(frozen=True, slots=True)
class Preference:
    """wait_seconds: how long to hold the call. applied: value of `Preference-Applied`, None where no wish was
    followed.
    """

    wait_seconds: float
    applied: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Preference-Applied": self.applied, "Vary": "Prefer"} if self.applied else {}


def parse_prefer(header: str | None, *, default_wait_seconds: float, max_wait_seconds: float) -> Preference:
    """The first preference of each name wins (RFC 7240 section 2); respond-async beats wait."""
    wait: int | None = None
    respond_async = False
    for part in (header or "").split(","):
        token = part.split(";", 1)[0].strip().lower()
        if token == "respond-async":
            respond_async = True
        elif wait is None and (match := _WAIT.match(token)):
            wait = int(match.group(1))
    if respond_async:
        return Preference(0.0, "respond-async")
    if wait is None:
        return Preference(min(default_wait_seconds, max_wait_seconds))
    seconds = min(wait, int(max_wait_seconds))
    return Preference(float(seconds), f"wait={seconds}")
