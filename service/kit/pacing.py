"""Reporting progress often enough for a person, and not more."""

from __future__ import annotations

import time
from collections.abc import Callable

# Called with (done, total, message); may raise where the work is no longer wanted.
Report = Callable[[float, float, str], None]

_EVERY_SECONDS = 0.3


def paced(report: Report) -> Report:
    """The same, called at most a few times a second."""
    last = -_EVERY_SECONDS

    def tell(done: float, total: float, message: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _EVERY_SECONDS:
            last = now
            report(done, total, message)

    return tell
