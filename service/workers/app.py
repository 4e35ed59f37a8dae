"""The Celery app, and how a worker runs.

One prefork child a worker, one task at a time, late acknowledgement, JSON, job ids only. The parent never
imports torch: a forked child cannot use CUDA after its parent has, and a small parent restarts quickly.
`service.store.lease` and the job records decide what a delivered message means; Celery only carries it.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import warnings
from typing import Any

import structlog
from celery import Celery, signals
from celery.apps import worker as celery_worker
from celery.exceptions import CPendingDeprecationWarning
from celery.platforms import SecurityWarning

from service.errors import InvalidRequest
from service.ghn.device import check_device
from service.kit.openmp import let_waiting_threads_sleep
from service.logs import configure_logging
from service.settings import Settings, get_settings
from service.store.broker import QUEUES, broker_options
from service.workers import stopping

# A worker of the left queue serves the right ones: rankings need the same models as predictions.
SERVES = {"predict": ("predict", "rank"), "rank": ("rank",), "training": ("training",)}
# Against slow leaks. Not more often: a new child loads torch for seconds, in which nothing is predicted.
MAX_TASKS_PER_CHILD = 10_000

log = structlog.get_logger("weightcast.worker")

app = Celery("weightcast", include=["service.workers.tasks"], set_as_current=False)


def worker_options(settings: Settings) -> dict[str, object]:
    """The configuration of the workers; what they share with the senders is in store/broker.py."""
    hard, segment = settings.task_time_limit_seconds, int(settings.training_segment_seconds)
    return {
        **broker_options(settings),
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure_or_timeout": True,
        "task_time_limit": hard,
        "task_soft_time_limit": int(hard * 0.9),
        # A training task ends its segment by itself; the limits are for one that hangs.
        "task_annotations": {
            "training.run": {"time_limit": segment + 180, "soft_time_limit": segment + 120},
        },
        "worker_pool": "prefork",
        "worker_concurrency": 1,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": MAX_TASKS_PER_CHILD,
        "worker_soft_shutdown_timeout": float(settings.shutdown_seconds),
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": settings.celery_events,
        "worker_enable_remote_control": settings.celery_events,
        # A task that loses the broker goes on: the lease keeps a second copy away, and its result is
        # recorded once Redis is back. Killing it would only throw work away.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
    }


def served_queues(queues: list[str]) -> list[str]:
    """The queues that a worker started for `queues` consumes. Errors: InvalidRequest for a queue that does
    not exist.
    """
    for queue in queues:
        if queue not in SERVES:
            raise InvalidRequest(
                f"there is no queue {queue!r}", field="/queues", hint=f"queues are {', '.join(QUEUES)}"
            )
    return list(dict.fromkeys(served for queue in queues for served in SERVES[queue]))


def run_worker(queues: list[str]) -> int:
    """Work until SIGTERM or SIGINT; the running task may end (training gives way at its next step). Returns
    the exit status.

    Errors: InvalidRequest for a queue that does not exist; Unavailable without the GPU of the settings.
    """
    let_waiting_threads_sleep()
    settings = get_settings()
    served = served_queues(queues or ["predict"])
    configure_logging(settings)
    if "rank" in served:
        check_device(settings.device)
    logging.captureWarnings(True)
    # It warns of pickles, which are not accepted here, whoever runs the worker.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    # It announces another default of worker_cancel_long_running_tasks_on_connection_loss, which is set here.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    _connect_signals()
    celery_worker.safe_say = _say
    app.conf.update(worker_options(settings))
    os.environ[stopping.QUEUES_VARIABLE] = ",".join(served)
    worker = app.Worker(
        hostname=f"{served[0]}-{os.getpid()}@{socket.gethostname()}",
        queues=served,
        loglevel=settings.log_level.upper(),
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


def _say(message: str, _: Any = None) -> None:
    """What Celery tells a terminal when it is stopped, as an event of the log."""
    log.info("worker.stopping", detail=message)


def _connect_signals() -> None:
    signals.setup_logging.connect(_keep_our_logging, weak=False)
    signals.worker_shutting_down.connect(_on_shutting_down, weak=False)
    signals.worker_process_init.connect(_on_child_start, weak=False)
    signals.worker_process_shutdown.connect(_on_child_end, weak=False)


def _keep_our_logging(**_: Any) -> None:
    """Having a receiver tells Celery that logging is set up already."""


def _on_shutting_down(**_: Any) -> None:
    stopping.announce()


def _on_child_start(**_: Any) -> None:
    from service.workers import child

    child.start()


def _on_child_end(**_: Any) -> None:
    from service.workers import child

    child.stop()


if __name__ == "__main__":
    sys.exit(run_worker(sys.argv[1:]))
