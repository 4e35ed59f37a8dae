"""Processes that work beside this one and end with it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _nothing() -> None:
    pass


class Processes(ProcessPoolExecutor):
    """A pool of fresh processes: a fork of one that has used threads may hang. They end with this process,
    also where it is killed, and leave a Ctrl-C to it, which reaches all processes of a terminal.

    prepare: called in each one before its work; can be pickled.
    """

    def __init__(self, count: int, prepare: Callable[[], object] = _nothing) -> None:
        super().__init__(count, get_context("spawn"), initializer=_begin, initargs=(os.getpid(), prepare))

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        # Here a process may start, which takes over what is held back from this thread.
        with _interrupts_held_back():
            return super().submit(fn, *args, **kwargs)


def _begin(parent: int, prepare: Callable[[], object]) -> None:
    _end_with(parent)
    prepare()


def _end_with(parent: int) -> None:
    """Do not outlive a parent that was killed: a pool's process would wait for work for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
