"""Training architectures made ahead of need, in a process of their own: graphs are never what training
waits for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from types import TracebackType

from service.executor.cost import network_cost
from service.graph_io.archgraph import ArchGraph
from service.graph_io.primitives import PrimitiveGraph, to_primitives
from service.kit.processes import Processes
from training.data.deepnets import Bounds, architecture_graph
from training.data.spaces import SpaceNetworks


@dataclass(frozen=True, slots=True)
class Task:
    """A network to train through: what runs, what the GHN sees, what it costs."""

    graph: ArchGraph
    primitives: PrimitiveGraph
    cost: float


def make_task(
    seed: int, index: int, num_classes: int, bounds: Bounds, networks: SpaceNetworks | None = None
) -> Task:
    """networks: of which space; DeepNets without it."""
    if networks is None:
        graph = architecture_graph("train", seed, index, num_classes=num_classes, bounds=bounds)
    else:
        graph = networks.graph("train", seed, index, num_classes=num_classes, bounds=bounds)
    # Parameters that the network never reads get no gradient: nothing to train.
    graph = replace(graph, unattached=())
    return Task(graph, to_primitives(graph), network_cost(graph, bounds.image_size))


class ArchitectureSource:
    """Architectures number `start`, `start + stride`, ... of the train split, or of a search space. classes:
    numbers of classes, which they have in turn.

    ahead: how many are made before they are asked for. different: after so many they come again, from the
    first; None for always new ones.
    """

    def __init__(
        self, seed: int, start: int, classes: Sequence[int], *,
        stride: int = 1, ahead: int = 24, networks: SpaceNetworks | None = None, different: int | None = None,
    ) -> None:  # fmt: skip
        self._seed, self._next, self._stride, self._networks = seed, start, stride, networks
        self._different = different
        self._classes, self._ahead = classes, ahead
        self._pending: deque[tuple[Bounds, Future[Task]]] = deque()
        self._pool = Processes(1)

    def take(self, bounds: list[Bounds]) -> list[Task]:
        """The next len(bounds) architectures, each under its bounds."""
        tasks: list[Task] = []
        if not bounds:
            return tasks
        for bound in bounds:
            if not self._pending:
                self._submit(bound)
            made_for, future = self._pending.popleft()
            index = self._next - (len(self._pending) + 1) * self._stride
            # Bounds change between stages: what was made for the old ones is made again.
            tasks.append(
                future.result()
                if made_for == bound
                else make_task(*self._network(index), bound, self._networks)
            )
            self._submit(bound)
        while len(self._pending) < self._ahead:
            self._submit(bounds[-1])
        return tasks

    def _submit(self, bounds: Bounds) -> None:
        future = self._pool.submit(make_task, *self._network(self._next), bounds, self._networks)
        self._pending.append((bounds, future))
        self._next += self._stride

    def _network(self, index: int) -> tuple[int, int, int]:
        """Seed, number and classes of a network."""
        number = index if self._different is None else index % self._different
        return self._seed, number, self._classes[index % len(self._classes)]

    def __enter__(self) -> ArchitectureSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
