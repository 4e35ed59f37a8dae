"""Ending a run by a signal: SIGTERM and SIGINT ask it to end, and it does when it can."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(Exception):
    """The work has ended because it was asked to; what was done is kept."""


class Interruption:
    """requested: whether a signal has come."""

    def __init__(self) -> None:
        self.requested = False

    @contextmanager
    def by_signals(self) -> Iterator[None]:
        """Listen while inside. Signals reach the main thread alone: elsewhere this does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def request(number: int, frame: object) -> None:
            self.requested = True

        before = {number: signal.signal(number, request) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
