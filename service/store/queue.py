"""Putting a job in front of a worker: one small message with the job id, sent by task name.

The sender never imports the code of the workers (and so never torch).
"""

from __future__ import annotations

import threading
from functools import lru_cache

import celery
import structlog
from kombu.exceptions import OperationalError

from service import tracing
from service.errors import ServiceError, Unavailable
from service.settings import Settings, get_settings
from service.store.broker import TASK_OF_QUEUE, broker_options
from service.store.connection import ANSWER_TIMEOUT_SECONDS, RETRY_AFTER_SECONDS, redis_or_unavailable
from service.store.records import JobSummary

log = structlog.get_logger("weightcast.queue")

# A publisher must not hang: give up quickly, and say so.
_RETRY = {"max_retries": 1, "interval_start": 0.05, "interval_max": 0.2}
_making = threading.Lock()


class Sender:
    """Sends messages, one thread at a time.

    The message library makes its connections and channels at first use and without a lock: threads that are
    first together may take each other's half-made ones.
    """

    def __init__(self, settings: Settings) -> None:
        self._app = celery.Celery("weightcast-sender", set_as_current=False)
        self._app.conf.update(broker_options(settings))
        self._app.conf.broker_transport_options = {
            **self._app.conf.broker_transport_options,
            "socket_timeout": ANSWER_TIMEOUT_SECONDS,
            **_RETRY,
        }
        self._turn = threading.Lock()

    def send(self, job: JobSummary) -> None:
        """Errors: Unavailable when the broker does not answer, or keeps others waiting for too long."""
        if not self._turn.acquire(timeout=ANSWER_TIMEOUT_SECONDS):
            raise _unavailable()
        try:
            with redis_or_unavailable():
                # The message carries the job id as its own id too: the reconciler recognises waiting
                # messages by it.
                self._app.send_task(
                    TASK_OF_QUEUE[job.queue],
                    args=[job.id],
                    task_id=job.id,
                    queue=job.queue,
                    retry_policy=_RETRY,
                )
        except OperationalError as error:
            raise _unavailable() from error
        except ServiceError:
            raise
        except Exception as error:
            # Whatever it was: the record is there, and the reconciler sends what could not be sent.
            log.exception("queue.send_failed", job_id=job.id)
            raise _unavailable() from error
        finally:
            self._turn.release()


def sender(settings: Settings) -> Sender:
    """The one sender of these settings in this process."""
    with _making:
        return _sender(settings)


@lru_cache(maxsize=8)
def _sender(settings: Settings) -> Sender:
    return Sender(settings)


def enqueue(job: JobSummary, settings: Settings | None = None) -> None:
    """Send the job to the workers of its queue.

    Errors: Unavailable when the broker does not answer. The record stays queued then, and the reconciler
    sends it later.
    """
    with tracing.span("enqueue", kind="producer", attributes={"job.id": job.id}):
        sender(settings or get_settings()).send(job)


def _unavailable() -> Unavailable:
    return Unavailable(
        "the job queue does not answer",
        retry_after=RETRY_AFTER_SECONDS,
        hint="try again in a few seconds",
    )
