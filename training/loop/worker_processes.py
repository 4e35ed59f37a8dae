"""Processes that work beside this one, each on one thread, and end with it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def start_pool(processes: int) -> ProcessPoolExecutor:
    """Fresh processes: a fork of one that has used torch's threads may hang."""
    return ProcessPoolExecutor(processes, get_context("spawn"), initializer=_prepare, initargs=(os.getpid(),))


def results_as_they_come(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    processes: int,
    in_time: Callable[[], bool] = lambda: True,
) -> Iterator[tuple[Item, Result]]:
    """What several processes make of the items, each begun in its turn; none is begun any more when time is
    over. work: can be pickled.
    """
    waiting = iter(items)
    with start_pool(processes) as pool:
        running: dict[Future[Result], Item] = {}
        while True:
            while len(running) < processes and in_time() and (item := next(waiting, None)) is not None:
                running[pool.submit(work, item)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()


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
