"""What the sender (API) and the receivers (workers) of tasks must agree on: the broker and its options.

The message of a task is the job id and nothing else. Redis gives an unacknowledged message out again after
the visibility timeout; the smallest timeout among all apps on a broker wins, so all of them take it from
here.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from service.errors import Unavailable
from service.settings import Settings
from service.store.connection import CONNECT_TIMEOUT_SECONDS

QUEUES = ("predict", "rank", "training")
# The tasks by job kind; a kind that is not listed is run by "<queue>.run".
TASK_OF_QUEUE = {"predict": "predict.run", "rank": "rank.run", "training": "training.run"}


def broker_url(settings: Settings) -> str:
    """The URL in the dialect of the message library, which spells Unix sockets `redis+socket://`."""
    if settings.redis_url is None:
        raise Unavailable(
            "no Redis is configured", hint="set WEIGHTCAST_REDIS_URL, or run `weightcast serve`"
        )
    parts = urlsplit(settings.redis_url)
    if parts.scheme != "unix":
        return settings.redis_url
    query = f"?virtual_host={parts.query.partition('db=')[2]}" if "db=" in parts.query else ""
    return f"redis+socket://{parts.path}{query}"


def broker_options(settings: Settings) -> dict[str, object]:
    """Settings of the Celery app that both sides share."""
    timeout = settings.visibility_timeout_seconds
    transport: dict[str, object] = {
        "visibility_timeout": timeout,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "health_check_interval": 15,
    }
    if not broker_url(settings).startswith("redis+socket:"):
        transport["socket_keepalive"] = True
    return {
        "broker_url": broker_url(settings),
        "broker_transport_options": transport,
        "result_backend_transport_options": {"visibility_timeout": timeout},
        "visibility_timeout": timeout,
        "task_ignore_result": True,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_routes": {name: {"queue": queue} for queue, name in TASK_OF_QUEUE.items()},
        "task_default_queue": "predict",
        "enable_utc": True,
    }
