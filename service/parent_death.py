"""A process that must not outlive the one that started it.

`python -m service.parent_death SIGNAL PID COMMAND...` becomes COMMAND, and asks the kernel (Linux) to
signal it when its parent dies, however that happens. Elsewhere it stays between the two and watches.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_POLL_SECONDS = 0.5


def wrapped(command: Sequence[str], *, with_signal: signal.Signals = signal.SIGKILL) -> list[str]:
    """The command line that runs `command` bound to the life of the calling process."""
    return [sys.executable, "-m", "service.parent_death", with_signal.name, str(os.getpid()), *command]


def bind_to_parent(with_signal: signal.Signals, parent: int) -> bool:
    """Let the kernel signal this process when `parent` ends. False where the kernel cannot.

    Signals itself when the parent is gone already.
    """
    if sys.platform != "linux":
        return False
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(with_signal)) != 0:
        return False
    if os.getppid() != parent:
        os.kill(os.getpid(), with_signal)
    return True


def main(arguments: list[str]) -> int:
    with_signal, parent, command = signal.Signals[arguments[0]], int(arguments[1]), arguments[2:]
    if bind_to_parent(with_signal, parent):
        os.execvp(command[0], command)
    return _watch(command, with_signal, parent)


def _watch(command: list[str], with_signal: signal.Signals, parent: int) -> int:
    child = subprocess.Popen(command)
    for passed_on in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(passed_on, lambda number, _: child.send_signal(number))
    while child.poll() is None:
        if os.getppid() != parent:
            child.send_signal(with_signal)
        time.sleep(_POLL_SECONDS)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
