"""An operation of both clients, written once.

It is a function that makes a flow. Looked up on a client that blocks it is a method that returns what the
flow returns; on one for asyncio, a method that is awaited for it. Parameters and their types are the
function's own either way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from service.client._transfer import Flow

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(ABC):
    """Carries out a flow and returns its result."""

    @abstractmethod
    def _run(self, flow: Flow[T]) -> T: ...


class Awaiting(ABC):
    """Carries out a flow on an event loop."""

    @abstractmethod
    async def _run(self, flow: Flow[T]) -> T: ...


class operation(Generic[P, T]):
    """The decorator."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self._flow = flow
        self.__doc__, self.__wrapped__ = flow.__doc__, flow

    @overload
    def __get__(self, client: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, client: Blocking, owner: type | None = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Awaiting, owner: type | None = None) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Blocking | Awaiting | None, owner: type | None = None) -> Any:
        if client is None:
            return self

        @wraps(self._flow)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client._run(self._flow(client, *args, **kwargs))

        return method
