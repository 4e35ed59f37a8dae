"""A training job from its request to the queue."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence

from service import errors
from service.api.keys import Principal
from service.api.kit.jobs import check_owner
from service.api.predict.reading import ReadArchitecture
from service.api.services import Services
from service.api.training.schemas import JobRequest, ModelRequest
from service.contract.kinds import TRAINING
from service.contract.options import APART, Observation, Observed, Options
from service.contract.reading import written
from service.contract.search import BUILT_IN
from service.contract.training import TrainingPayload
from service.json_pointer import pointer
from service.models.publish import check_free
from service.models.uses import check_models
from service.settings import Settings
from service.store.queue import enqueue
from service.store.records import About, Job


def start(
    services: Services, caller: Principal, request: JobRequest, architecture: ReadArchitecture | None = None
) -> Job:
    """Record and queue the job. architecture: of a kind that takes one.

    Raises InvalidRequest for a budget above the limit, Conflict where the name is taken, UnknownModel,
    Unavailable. Blocking.
    """
    settings, row, options = services.settings, request.row, request.config
    _check_budget(settings, options)
    try:
        check_models(options, settings)
    except errors.ServiceError as error:
        error.place_in("config")
        raise
    key = ""
    if isinstance(request, ModelRequest):
        _check_name(settings, request)
        # The key is the name: two jobs that would publish the same model cannot run side by side.
        key = f"training:{request.name}"
    services.admission.check(row.queue, caller)
    payload: TrainingPayload = {
        "kind": row.name, "name": request.name, "config": written(options, leave_out=APART),
    }  # fmt: skip
    if isinstance(request, ModelRequest) and request.replace:
        payload["replace"] = True
    if isinstance(options, Observed):
        payload["observations"] = _keep(services, options.observations)
    if architecture is not None:
        payload["graph"] = architecture.store_runnable(services.artifacts)
        payload["source"] = architecture.store_source(services.artifacts)
        payload["torchvision"] = architecture.torchvision
    about = About.model_validate(
        {
            "name": request.name or (architecture.name if architecture is not None else "") or None,
            "task": row.name,
            **options.about(),
        }
    )
    job = services.jobs.create(
        TRAINING, key=key, payload=payload, owner=caller.id, queue=row.queue, about=about
    )
    if not job.is_new:
        raise errors.Conflict(
            f"A job that trains {request.name!r} is under way.",
            field="/name",
            job=job.links["self"],
            hint="Choose another name.",
        )
    enqueue(job, settings)
    return job


def forget(services: Services, caller: Principal, job: Job) -> None:
    """Delete the record of a training job that has ended, and the files of its run.

    Raises NotFound for a job of another kind, Forbidden for another owner's, Conflict while it runs.
    Blocking.
    """
    if job.kind != TRAINING:
        raise errors.NotFound(f"There is no training job {job.id}.")
    check_owner(job, caller)
    if not services.jobs.forget(job.id):
        raise errors.Conflict(
            f"This job is {job.status.value}.",
            job=job.links["self"],
            hint="Cancel it first: DELETE /jobs/{id}.",
        )
    shutil.rmtree(services.settings.home / "runs" / job.id, ignore_errors=True)


def _check_budget(settings: Settings, options: Options) -> None:
    longest, limit = options.longest(), settings.training_max_minutes
    if longest is not None and longest.minutes > limit:
        raise errors.InvalidRequest(
            f"A training job may take {limit:g} minutes.",
            field=pointer("config", longest.field),
            limit=limit,
            value=longest.minutes,
        )


def _check_name(settings: Settings, request: ModelRequest) -> None:
    if request.name in BUILT_IN:
        raise errors.Conflict(
            f"Requests give the name {request.name!r} another meaning.",
            field="/name",
            hint="Choose another name.",
        )
    check_free(request.name, settings.home / "models", replace=request.replace)


def _keep(services: Services, observations: Sequence[Observation]) -> str:
    """The name of an artifact with one observation a line."""
    lines = (json.dumps(observation, separators=(",", ":")) for observation in observations)
    return services.artifacts.put_content("\n".join(lines).encode(), "lines.json").name
