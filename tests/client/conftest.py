from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog.testing
import uvicorn

from service.api.server import server_config
from service.client import AsyncClient, Client
from service.settings import Settings
from tests.api.conftest import MODEL, add_model
from tests.api.fake_worker import FakeWorker


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


@pytest.fixture
def api_settings(redis_server: str, tmp_path: Path) -> Settings:
    add_model(tmp_path / "home", MODEL)
    return Settings(redis_url=redis_server, home=tmp_path / "home", default_model=MODEL, port=0)


@pytest.fixture
def worker(api_settings: Settings) -> Iterator[FakeWorker]:
    with FakeWorker(api_settings) as worker:
        yield worker


@pytest.fixture
def url(api_settings: Settings, worker: FakeWorker) -> Iterator[str]:
    server = uvicorn.Server(server_config(api_settings))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline and thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with structlog.testing.capture_logs():  # the command's output must be the command's alone
        yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)
