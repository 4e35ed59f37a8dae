"""Pools of processes that end with the one that made them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from service.kit.processes import Processes


def has_interrupts_held_back() -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no masks of signals")
def test_an_interrupt_is_left_to_the_process_that_made_them() -> None:
    with Processes(2) as pool:
        assert [pool.submit(has_interrupts_held_back).result() for _ in range(3)] == [True] * 3
        several = [pool.submit(has_interrupts_held_back) for _ in range(8)]
        assert all(future.result() for future in several)
    assert not has_interrupts_held_back()


def test_they_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "from service.kit.processes import Processes\n"
        "if __name__ == '__main__':\n"
        "    pool = Processes(1)\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    time.sleep(60)"
    )
    (tmp_path / "parent.py").write_text(code)
    command = [sys.executable, tmp_path / "parent.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(20)
