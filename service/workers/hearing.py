"""A worker that is connected and takes nothing: noticed by its child, which is idle while jobs wait.

After a connection broke, the consumer in the parent may be back and never be given a message again: users of
Celery report it. Being alive is no proof then, and being announced makes it worse: nobody else is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 60.0
"""An idle worker that hears takes a waiting job within a second."""


class Hearing:
    """Whether jobs reach this process. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._at_work = 0
        self._unheard_since: float | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A job has come, and is worked on inside."""
        with self._lock:
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1
                self._unheard_since = None

    def is_deaf(self, waiting: int) -> bool:
        """Whether jobs have been waiting for a minute while this process had none. To be asked often.

        waiting: messages in the queues that this worker serves.
        """
        with self._lock:
            if self._at_work or not waiting:
                self._unheard_since = None
                return False
            now = self._clock()
            if self._unheard_since is None:
                self._unheard_since = now
            return now - self._unheard_since > PATIENCE_SECONDS


hearing = Hearing()
"""Of this process."""
