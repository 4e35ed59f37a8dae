from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from service.client import AsyncClient, Client


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr("service.client._session.time", fake)
    monkeypatch.setattr("service.client.client.time", fake)
    monkeypatch.setattr(
        "service.client.async_client.asyncio",
        SimpleNamespace(sleep=fake.sleep_async, to_thread=asyncio.to_thread),
    )
    return fake


@pytest.fixture(params=["sync", "async"])
def either(request: pytest.FixtureRequest) -> Callable[..., Either]:
    """Makes a client that is used the same way whichever kind it is: `either(transport).models()`."""
    return lambda transport, **options: Either(request.param, transport, options)


class Either:
    def __init__(self, kind: str, transport: object, options: dict[str, object]) -> None:
        self._kind, self._transport, self._options = kind, transport, options

    def __getattr__(self, method: str) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            if self._kind == "sync":
                with Client("http://service.test", transport=self._transport, **self._options) as client:
                    result = getattr(client, method)(*args, **kwargs)
                    return list(result) if hasattr(result, "__next__") else result
            return asyncio.run(self._awaited(method, args, kwargs))

        return call

    async def _awaited(self, method: str, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        async with AsyncClient("http://service.test", transport=self._transport, **self._options) as client:
            result = getattr(client, method)(*args, **kwargs)
            return [item async for item in result] if hasattr(result, "__anext__") else await result
