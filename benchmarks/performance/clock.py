"""Times of the processor, which other work on the machine changes less, and of the clock on the wall."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable

import psutil


def processor_seconds(action: Callable[[], object], repeats: int) -> float:
    """Median of so many runs after one that does not count, over all threads of this process."""
    return _median(action, repeats, time.process_time)


def wall_seconds(action: Callable[[], object], repeats: int) -> float:
    """The same on the clock on the wall: a caller waits for all processes."""
    return _median(action, repeats, time.perf_counter)


def _median(action: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    action()
    times = []
    for _ in range(repeats):
        started = clock()
        action()
        times.append(clock() - started)
    return statistics.median(times)


def seconds_of(processes: Iterable[psutil.Process]) -> float:
    """Of the processor, by all of these that are alive."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
