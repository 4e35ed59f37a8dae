"""Run a job at most once at a time, and a bounded number of times in all, whatever the broker delivers.

The lease keeps a second copy away, the record's token keeps a stale holder from writing, the record's
counter ends a job that keeps killing its worker. A duplicate delivery is acknowledged and forgotten; if the
first holder then dies, the reconciler (recovery.py) sends the job again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from billiard.exceptions import SoftTimeLimitExceeded

from service import tracing
from service.contract.problem import Problem
from service.errors import NotEnoughMemory, RetriesExhausted, ServiceError, TookTooLong, Unavailable
from service.kit.json_types import JsonObject
from service.settings import Settings
from service.store.jobs import JobStore
from service.store.lease import Lease, held
from service.store.records import Job

log = structlog.get_logger("weightcast.worker")

# How long a finished job tries to tell Redis so.
_REPORT_SECONDS = 120.0


class JobCancelled(Exception):
    """The job was asked to stop, and does."""


class JobYields(Exception):
    """The job gives way in good order and goes on in another task."""


class JobContext:
    """What the work of one attempt may ask and tell. `settings` are those of this worker."""

    def __init__(self, store: JobStore, job: Job, lease: Lease, settings: Settings) -> None:
        self.store = store
        self.job = job
        self.settings = settings
        self._lease = lease

    def progress(self, done: float, total: float, message: str = "") -> None:
        """Tell how far the work is, and stop it here when nobody wants it any more.

        Errors: JobCancelled.
        """
        self.tell(done, total, message)
        if self.should_stop():
            raise JobCancelled

    def tell(self, done: float, total: float, message: str = "") -> None:
        """Only tell how far the work is."""
        try:
            self.store.progress(self.job.id, done, total, message, token=self._lease.token)
        except Unavailable:
            log.warning("job.progress_not_told", job_id=self.job.id)

    def metric(self, values: Mapping[str, Any]) -> None:
        try:
            self.store.metric(self.job.id, values, token=self._lease.token)
        except Unavailable:
            log.warning("job.metric_not_told", job_id=self.job.id)

    def should_stop(self) -> bool:
        """Whether the job was cancelled, or given to somebody else."""
        if self._lease.lost.is_set():
            return True
        try:
            return self.store.is_cancelled(self.job.id)
        except Unavailable:
            return False


Work = Callable[[JobContext], JsonObject]


def run_once(store: JobStore, job_id: str, work: Work, settings: Settings) -> bool:
    """Run `work` under the lease of the job and record how it ended. True when the job is to be sent
    again.
    """
    with (
        structlog.contextvars.bound_contextvars(job_id=job_id),
        held(store.redis, job_id, settings.lease_seconds) as lease,
    ):
        if lease is None:
            log.info("job.duplicate_delivery")
            return False
        attempt = store.begin(job_id, lease.token)
        job = store.get(job_id)
        if attempt == 0 or job is None:
            log.info("job.nothing_to_do")
            return False
        if attempt > settings.job_attempts:
            store.fail(job_id, _exhausted(settings.job_attempts).problem(), lease.token)
            log.error("job.retries_exhausted", kind=job.kind)
            return False
        context = JobContext(store, job, lease, settings)
        with tracing.resumed(job.trace, f"job {job.kind}", {"job.id": job_id, "job.attempt": attempt}):
            return _attempt(context, work, lease.token, attempt)


def _attempt(context: JobContext, work: Work, token: str, attempt: int) -> bool:
    store, job = context.store, context.job
    log.info("job.started", kind=job.kind, attempt=attempt)
    started = time.monotonic()
    try:
        result = work(context)
    except JobYields:
        _persist(lambda: store.yield_back(job.id, token))
        log.info("job.yielded", kind=job.kind)
        return True
    except JobCancelled:
        _persist(lambda: store.cancelled(job.id, token))
        log.info("job.cancelled", kind=job.kind)
    except Exception as error:
        problem = _problem(error, job)
        _persist(lambda: store.fail(job.id, problem, token))
    else:
        _persist(lambda: store.finish(job.id, result, token))
        log.info("job.succeeded", kind=job.kind, seconds=round(time.monotonic() - started, 3))
    return False


def _problem(error: Exception, job: Job) -> Problem:
    """The problem document for the user. What is our own fault is logged in full and told in one sentence."""
    if isinstance(error, ServiceError) and error.status < 500:
        log.info("job.refused", kind=job.kind, problem=error.code)
        return error.problem()
    log.error("job.failed", kind=job.kind, exc_info=error)
    if isinstance(error, ServiceError):
        return error.problem()
    if isinstance(error, SoftTimeLimitExceeded):
        return TookTooLong(
            "the job was stopped at its time limit", hint="send a smaller architecture"
        ).problem()
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which the parent of the workers never imports
        return NotEnoughMemory(
            "the worker's GPU has no memory left", hint="send it again later: other work may fill the GPU now"
        ).problem()
    if isinstance(error, MemoryError):
        return NotEnoughMemory(
            "the worker ran out of memory", hint="send a smaller architecture, or ask for the `tiles` output"
        ).problem()
    return ServiceError(
        "the job failed for a reason that is ours",
        job=job.id,
        hint="report it with this job id: the log has the cause",
    ).problem()


def _exhausted(attempts: int) -> RetriesExhausted:
    return RetriesExhausted(
        f"{attempts} attempts ended with the worker's death, most often for want of memory",
        attempts=attempts,
        hint="send a smaller architecture, or give the worker more memory",
    )


def _persist(change: Callable[[], bool]) -> None:
    """Record how a job ended, through a restart of Redis. After two minutes the reconciler has it run
    again.
    """
    deadline, delay = time.monotonic() + _REPORT_SECONDS, 0.2
    while True:
        try:
            if not change():
                log.warning("job.not_ours_any_more")
            return
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            threading.Event().wait(delay)
            delay = min(delay * 2, 5.0)
