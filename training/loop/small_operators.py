"""What a training whose operators are small asks of torch and of Python: one thread inside an operator, no
denormal numbers, few searches for garbage.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def begin_thread() -> None:
    """Prepare a thread for training.

    A second thread inside one operator mostly spins: the operators are small. The optimizer's averages of
    parameters that are seldom used decay into denormal numbers, which take a hundred times as long to add.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


@contextmanager
def small_operators() -> Iterator[None]:
    """Train in this thread as above; afterwards it has as many threads as before."""
    threads = torch.get_num_threads()
    begin_thread()
    try:
        with rare_collections():
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect cyclic garbage rarely. Graphs are made of many objects that live on: looking through them took
    a twentieth of a step.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
