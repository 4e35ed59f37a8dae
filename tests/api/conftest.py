"""The API in this process, with a real Redis, a model card, and a worker that needs no torch."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.api.app import create_app
from service.settings import Settings

from .asgi import client_of
from .fake_worker import FakeWorker

MODEL = "test-ghn"


def add_model(home: Path, name: str, kind: str = "ghn") -> None:
    folder = home / "models" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "weights.safetensors").write_bytes(b"none")
    card = {"name": name, "kind": kind, "dataset": "cifar10", "num_classes": 10}
    (folder / "card.json").write_text(json.dumps(card))


@pytest.fixture
def api_settings(redis_server: str, tmp_path: Path) -> Settings:
    add_model(tmp_path / "home", MODEL)
    return Settings(redis_url=redis_server, home=tmp_path / "home", default_model=MODEL)


@pytest.fixture
def app(api_settings: Settings) -> FastAPI:
    return create_app(api_settings)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.fixture
def worker(api_settings: Settings) -> Iterator[FakeWorker]:
    with FakeWorker(api_settings) as worker:
        yield worker
