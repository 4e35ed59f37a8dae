"""Which work a job is, by its kind."""

from __future__ import annotations

from typing import Any

import structlog

from service.errors import ServiceError, Unavailable
from service.store.queue import enqueue
from service.workers.child import Child
from service.workers.run_once import JobContext, Work, run_once
from service.workers.training import run_training

log = structlog.get_logger("weightcast.worker")


def run(child: Child, job_id: str) -> None:
    """Run the job now, unless it is done or somebody else's; send it again when it gave way."""

    def work(context: JobContext) -> dict[str, Any]:
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
    known: dict[str, Work] = {
        "predict": lambda context: _predict(child, context),
        "training": lambda context: _train(child, context),
        "rank": lambda context: _over_many(child, context, "run_rank"),
        "embed": lambda context: _over_many(child, context, "run_embed"),
        "compare": lambda context: _over_many(child, context, "run_compare"),
    }
    if kind not in known:
        raise ServiceError(f"this worker does not know jobs of the kind {kind!r}")
    return known[kind]


def _over_many(child: Child, context: JobContext, name: str) -> dict[str, Any]:
    # Imported late, for it loads what a worker that only trains has no use for.
    from service.workers import rank

    result: dict[str, Any] = getattr(rank, name)(child.runtime, context.job.payload, context.progress)
    if context.job.key:
        child.cache.put(context.job.key, result, child.settings.job_ttl_seconds)
    return result


def _train(child: Child, context: JobContext) -> dict[str, Any]:
    if context.job.payload.get("kind") != "predictor":
        return run_training(context)
    from service.workers.fit_predictor import run_fit

    return run_fit(child.runtime, context.job.payload, context.progress)


def _predict(child: Child, context: JobContext) -> dict[str, Any]:
    result = child.runtime.run_predict(context.job.payload, context.progress)
    if context.job.key:
        child.cache.put(context.job.key, result, child.settings.job_ttl_seconds)
    return result
