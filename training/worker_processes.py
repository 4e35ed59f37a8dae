"""Processes that work beside this one, each on one thread, and end with it."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def start_pool(processes: int) -> ProcessPoolExecutor:
    """Fresh processes: a fork of one that has used torch's threads may hang."""
    return ProcessPoolExecutor(processes, get_context("spawn"), initializer=_prepare, initargs=(os.getpid(),))


def _prepare(parent: int) -> None:
    import torch

    torch.set_num_threads(1)
    end_with(parent)


def end_with(parent: int) -> None:
    """Do not outlive a parent that was killed: a pool's process would wait for work for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
