"""Putting a job in front of a worker: one small message with the job id, sent by task name.

The sender never imports the code of the workers (and so never torch).
"""

from __future__ import annotations

from functools import lru_cache

import celery
from kombu.exceptions import OperationalError

from service import tracing
from service.errors import Unavailable
from service.settings import Settings, get_settings
from service.store.broker import TASK_OF_QUEUE, broker_options
from service.store.connection import ANSWER_TIMEOUT_SECONDS, RETRY_AFTER_SECONDS, redis_or_unavailable
from service.store.records import JobSummary


@lru_cache(maxsize=8)
def sender(settings: Settings) -> celery.Celery:
    """A Celery app that only sends."""
    app = celery.Celery("weightcast-sender", set_as_current=False)
    app.conf.update(broker_options(settings))
    # A publisher must not hang: give up quickly, and say so.
    app.conf.broker_transport_options = {
        **app.conf.broker_transport_options,
        "socket_timeout": ANSWER_TIMEOUT_SECONDS,
        "max_retries": 1,
        "interval_start": 0.05,
        "interval_max": 0.2,
    }
    return app


def enqueue(job: JobSummary, settings: Settings | None = None) -> None:
    """Send the job to the workers of its queue.

    Errors: Unavailable when the broker does not answer. The record stays queued then, and the reconciler
    sends it later.
    """
    app = sender(settings or get_settings())
    try:
        with tracing.span("enqueue", kind="producer", attributes={"job.id": job.id}), redis_or_unavailable():
            # The message carries the job id as its own id too: the reconciler recognises waiting messages by
            # it.
            app.send_task(
                TASK_OF_QUEUE[job.queue],
                args=[job.id],
                task_id=job.id,
                queue=job.queue,
                retry_policy={"max_retries": 1, "interval_start": 0.05, "interval_max": 0.2},
            )
    except OperationalError as error:
        raise Unavailable(
            "the job queue does not answer",
            retry_after=RETRY_AFTER_SECONDS,
            hint="try again in a few seconds",
        ) from error
