"""How long the stages of a piece of work take, told from where they happen to whoever measures.

Code deep inside (`with stage("gnn"):`) need not know whether anybody measures: without a `Stopwatch` around
it, nothing is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

_measuring: ContextVar[Stopwatch | None] = ContextVar("weightcast-stopwatch", default=None)


class Stopwatch:
    """Milliseconds by stage, and their sum. Stages follow one another; one inside another counts in both.

    around: entered with the stage's name for as long as it lasts (a span of a trace).
    """

    def __init__(self, around: Callable[[str], AbstractContextManager[object]] = nullcontext) -> None:
        self._ms: dict[str, float] = {}
        self._around = around

    @contextmanager
    def running(self) -> Iterator[Stopwatch]:
        """Measure the stages of everything that is called inside."""
        token = _measuring.set(self)
        try:
            yield self
        finally:
            _measuring.reset(token)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        with self._around(name):
            try:
                yield
            finally:
                spent = (time.perf_counter() - started) * 1e3
                self._ms[name] = self._ms.get(name, 0.0) + spent

    def timings_ms(self) -> dict[str, float]:
        return {name: round(ms, 2) for name, ms in {**self._ms, "total": sum(self._ms.values())}.items()}


def stage(name: str) -> AbstractContextManager[None]:
    """The time inside belongs to this stage of the work that is being measured, if any is."""
    watch = _measuring.get()
    return nullcontext() if watch is None else watch.stage(name)
