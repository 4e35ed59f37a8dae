"""Which work a job is, by its kind."""

from __future__ import annotations

from typing import cast

import structlog

from service.contract.kinds import ANSWERS, TRAINING, JobKind
from service.contract.results import Answer
from service.contract.training import TrainingPayload
from service.errors import ServiceError, Unavailable
from service.kit.json_types import JsonObject
from service.kit.references import resolve
from service.store.queue import enqueue
from service.workers.child import Child, await_warm_up
from service.workers.run_once import JobCancelled, JobContext, Work, run_once
from service.workers.training import kind_of, run_training

_LOOK_EVERY_SECONDS = 0.3

log = structlog.get_logger("weightcast.worker")


def run(child: Child, job_id: str) -> None:
    """Run the job now, unless it is done or somebody else's; send it again when it gave way."""

    def work(context: JobContext) -> JsonObject:
        # What the work needs takes seconds to load; a job that is cancelled meanwhile must not wait for it.
        while not await_warm_up(_LOOK_EVERY_SECONDS):
            if context.should_stop():
                raise JobCancelled
        return work_of(child, context.job.kind)(context)

    if run_once(child.store, job_id, work, child.settings):
        job = child.store.get(job_id)
        try:
            if job is not None:
                enqueue(job, child.settings)
        except Unavailable:
            log.warning("job.left_to_the_reconciler", job_id=job_id)


def work_of(child: Child, kind: str) -> Work:
    """The function that does the work of this kind. Errors: ServiceError for a kind that no code knows."""
    if kind in ANSWERS:
        return lambda context: _answer(child, context, ANSWERS[kind])
    if kind == TRAINING:
        return lambda context: _train(child, context)
    raise ServiceError(f"this worker does not know jobs of the kind {kind!r}")


def _answer(child: Child, context: JobContext, row: JobKind) -> JsonObject:
    result = _computed(child, context, row)
    if context.job.key:
        child.cache.put(context.job.key, result, child.settings.job_ttl_seconds)
    return result


def _train(child: Child, context: JobContext) -> JsonObject:
    row = kind_of(cast(TrainingPayload, context.job.payload))
    if row.queue == TRAINING:
        return run_training(context)
    return _computed(child, context, row)


def _computed(child: Child, context: JobContext, row: JobKind) -> JsonObject:
    # Loaded late, for a worker that only trains has no use for it.
    answer: Answer = resolve(row.run)(child.runtime, context.job.payload, context.progress)
    return answer.as_json()
