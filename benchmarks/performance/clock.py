"""Time of the processor, which other work on the machine changes less than the clock on the wall."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def processor_seconds(action: Callable[[], object], repeats: int) -> float:
    """Median of so many runs after one that does not count, over all threads of this process."""
    action()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return statistics.median(times)
