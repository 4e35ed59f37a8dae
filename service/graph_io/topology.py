"""The order in which a graph can be computed, and its levels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from service.errors import InvalidArchitecture

Key = TypeVar("Key", bound=Hashable)
_SHOWN = 8


def execution_order(sources: Mapping[Key, Iterable[Key]], name: Callable[[Key], str]) -> list[Key]:
    """Every key behind its sources. Those that may come at the same time keep their order.

    name: of a key, for the error. Raises InvalidArchitecture naming the nodes of a cycle, if there is one.
    """
    sorter: TopologicalSorter[Key] = TopologicalSorter()
    for key in sources:
        sorter.add(key)
    for key, needed in sources.items():
        sorter.add(key, *dict.fromkeys(needed))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        cycle = [name(key) for key in error.args[1]]
        shown = cycle if len(cycle) <= _SHOWN + 1 else [*cycle[:_SHOWN], "..."]
        raise InvalidArchitecture(
            f"The graph has a cycle: {' -> '.join(shown)}.",
            node=cycle[0],
            hint="A network must be acyclic; unroll recurrences.",
        ) from None


def depths(sources: Sequence[Sequence[int]]) -> list[int]:
    """The longest path to each node, in edges. sources: of every node, in order of execution."""
    depth: list[int] = []
    for own in sources:
        # Most nodes read one other.
        longest = depth[own[0]] if len(own) == 1 else max([depth[source] for source in own], default=-1)
        depth.append(1 + longest)
    return depth
