"""How the parent tells its child that the worker is about to stop: one byte of memory that both see.

Celery's warm shutdown waits for the running task without telling it. A training task wants to know: it saves
its state, gives the job back and ends, instead of being killed. Writing a byte is all a signal handler may
safely do.
"""

from __future__ import annotations

import mmap

# The queues this worker serves, for the child, which knows only its environment.
QUEUES_VARIABLE = "_WEIGHTCAST_SERVED_QUEUES"

_flag = mmap.mmap(-1, 1)  # anonymous and shared: survives the fork


def announce() -> None:
    _flag[0] = 1


def announced() -> bool:
    """Whether the worker that this process belongs to is stopping."""
    return _flag[0] == 1
