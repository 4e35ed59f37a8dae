"""Features of a long list on all cores: text goes to other processes, and rows of numbers come back."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TYPE_CHECKING

from service.cli.records import Line, Record
from service.errors import CommandFailed
from service.kit.processes import Processes

if TYPE_CHECKING:
    from service.contract.many import Unconnected
    from service.predictors.rankers.ranking import Looked, Ranker

# A process takes about a second to start. So much text takes one some two seconds to read.
_LEAST_CHARACTERS = 10_000_000
# After a Ctrl-C those that are begun are still done.
_BATCH_CHARACTERS = 200_000


def processes_for(items: Sequence[Record | Line]) -> int:
    """How many processes shall look at a list; 1 for a short one, and where there is one core."""
    if sum(len(item.text) for item in items if isinstance(item, Line)) < _LEAST_CHARACTERS:
        return 1
    from service.kit.cores import usable_cores

    return usable_cores()


def looks_of_processes(
    items: Sequence[Record | Line],
    make_ranker: Callable[[], Ranker],
    unconnected: Unconnected,
    processes: int,
) -> Iterator[Looked]:
    """`ranking.look` at every item, in their order. make_ranker, called in each process: can be pickled.

    Raises CommandFailed if the system has ended a process, which it does when memory runs out.
    """
    work = partial(_look_at, unconnected=unconnected)
    waiting: deque[Future[list[Looked]]] = deque()
    pool = Processes(processes, partial(_begin, make_ranker))
    try:
        for batch in _batches(items):
            waiting.append(pool.submit(work, batch))
            if len(waiting) > 2 * processes:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool:
        raise CommandFailed(
            "A process that read architectures was ended from outside.",
            hint="Memory ran out, most likely: rank the list in parts.",
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _batches(items: Sequence[Record | Line]) -> Iterator[list[tuple[int, Record | Line]]]:
    """Items with their indices, about as many characters in each batch."""
    batch: list[tuple[int, Record | Line]] = []
    characters = 0
    for index, item in enumerate(items):
        batch.append((index, item))
        characters += len(item.text) if isinstance(item, Line) else 0
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


# Of a process of the pool.
_ranker: Ranker


def _begin(make_ranker: Callable[[], Ranker]) -> None:
    global _ranker
    _ranker = make_ranker()
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)


def _look_at(batch: list[tuple[int, Record | Line]], unconnected: Unconnected) -> list[Looked]:
    from service.predictors.rankers.ranking import Candidate, look

    return [look(Candidate(index, item.value), _ranker, unconnected) for index, item in batch]
