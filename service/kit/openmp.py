"""How the threads that compute one operator wait for each other."""

from __future__ import annotations

import os
from collections.abc import Mapping

# GNU OpenMP, with which torch is built for Linux, lets a thread that waits spin for about a millisecond. If
# the thread that it waits for has to wait for another program, it spins all that time, once an operator:
# predictions beside busy programs took many times as long (`python -m benchmarks.busy_machine`). A thousand
# rounds last some microseconds, in which most operators end; after that it sleeps.
WAITING: Mapping[str, str] = {"GOMP_SPINCOUNT": "1000"}


def let_waiting_threads_sleep() -> None:
    """Say so in this process's environment and so to its children, unless the user has said otherwise. To be
    called before torch is loaded, whose OpenMP reads this once.
    """
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
