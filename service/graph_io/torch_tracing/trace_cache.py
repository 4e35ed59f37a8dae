"""A module is traced once: for the next call its graph is at hand, while the module stays what it was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from weakref import WeakKeyDictionary

from torch import nn

from service.graph_io.archgraph import ArchGraph
from service.graph_io.torch_tracing.fingerprint import Fingerprint, fingerprint

# Input shapes and states of one module.
_CAPACITY = 4


class TraceCache:
    """Of every living module its last graphs. Threads may share one."""

    def __init__(self) -> None:
        self._entries: WeakKeyDictionary[nn.Module, list[tuple[Fingerprint, Hashable, ArchGraph]]]
        self._entries = WeakKeyDictionary()
        self._lock = threading.Lock()

    def graph(
        self, module: nn.Module, call: Hashable, make: Callable[[], tuple[ArchGraph, bool]]
    ) -> ArchGraph:
        """The graph that was made for an equal module and an equal call, or a new one.

        call: what else the graph depends on. make: traces, and says whether that looked at numbers, of which
        the cache knows nothing: such a graph is not kept.
        """
        state = fingerprint(module)
        if state is None:
            return make()[0]
        with self._lock:
            for known, other, graph in self._entries.get(module, ()):
                if other == call and known == state:
                    return graph
        graph, looked = make()
        # A module that changes itself when it runs is another one then.
        if not looked and fingerprint(module) == state:
            with self._lock:
                entries = self._entries.setdefault(module, [])
                entries.insert(0, (state, call, graph))
                del entries[_CAPACITY:]
        return graph
