"""The order in which a graph can be computed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
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
