"""Work on many items in processes of one thread each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TypeVar

from service.kit.processes import Processes

Item = TypeVar("Item")
Result = TypeVar("Result")


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
    with Processes(processes, _one_thread) as pool:
        running: dict[Future[Result], Item] = {}
        while True:
            while len(running) < processes and in_time() and (item := next(waiting, None)) is not None:
                running[pool.submit(work, item)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
