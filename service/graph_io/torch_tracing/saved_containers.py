"""What a list, dictionary or set of a module held before the module ran, to be put back afterwards.

Subclasses may forbid any method (a frozen dictionary is an attribute of every diffusers model), so only the
methods of the built-in classes are called, and a container that nobody changed is not touched.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol

CONTAINERS = (dict, list, set)


class SavedContainer(Protocol):
    def restore(self) -> None: ...


def saved_container(container: dict[Any, Any] | list[Any] | set[Any]) -> SavedContainer:
    kind = type(container)
    if issubclass(kind, list):
        return _SavedList(container)  # type: ignore[arg-type]
    if issubclass(kind, set):
        return _SavedSet(container)  # type: ignore[arg-type]
    return _SavedDict(container, OrderedDict if issubclass(kind, OrderedDict) else dict)  # type: ignore[arg-type]


class _SavedList:
    __slots__ = ("container", "items")

    def __init__(self, container: list[Any]) -> None:
        self.container = container
        self.items = list.copy(container)

    def restore(self) -> None:
        if not _same(list.copy(self.container), self.items):
            list.__setitem__(self.container, slice(None), self.items)


class _SavedSet:
    __slots__ = ("container", "items")

    def __init__(self, container: set[Any]) -> None:
        self.container = container
        self.items = set(set.__iter__(container))

    def restore(self) -> None:
        if {id(item) for item in set.__iter__(self.container)} != {id(item) for item in self.items}:
            set.clear(self.container)
            set.update(self.container, self.items)


class _SavedDict:
    """base: whose methods are called. An ordered dictionary keeps a list of its keys beside the table, which
    the methods of `dict` would not keep up.
    """

    __slots__ = ("base", "container", "keys", "values")

    def __init__(self, container: dict[Any, Any], base: type[dict[Any, Any]]) -> None:
        self.container = container
        self.base = base
        self.keys = list(base.__iter__(container))
        self.values = self._values(self.keys)

    def restore(self) -> None:
        keys = list(self.base.__iter__(self.container))
        if _same(keys, self.keys) and _same(self._values(keys), self.values):
            return
        self.base.clear(self.container)
        for key, value in zip(self.keys, self.values, strict=True):
            self.base.__setitem__(self.container, key, value)

    def _values(self, keys: list[Any]) -> list[Any]:
        return [dict.__getitem__(self.container, key) for key in keys]


def _same(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(a is b for a, b in zip(left, right, strict=True))
