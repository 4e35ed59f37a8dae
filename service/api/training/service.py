"""A training job from what was asked to the queue."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from typing import Any

from service import errors
from service.api.auth import Principal
from service.api.models import find_model
from service.api.predict.reading import ReadArchitecture
from service.api.rank.service import RANKING_KINDS
from service.api.services import Services
from service.api.training.options import Observation
from service.api.training.schemas import AnyJob, FineTuneJob, HyperNASJob, ModelJob, PredictorJob, SearchJob
from service.json_pointer import pointer
from service.models.publish import check_free
from service.settings import Settings
from service.store.queue import enqueue
from service.store.records import About, Job

KIND = "training"
# Fitting takes seconds: it must not wait behind a training run that takes days.
QUEUES = {
    "ghn": "training",
    "hypernas": "training",
    "smash": "training",
    "finetune": "training",
    "search": "training",
    "predictor": "rank",
}
# Names that requests give another meaning.
RESERVED = ("structure", "parameters", "multiply_adds")


def start(
    services: Services, caller: Principal, asked: AnyJob, architecture: ReadArchitecture | None = None
) -> Job:
    """Record and queue the job. architecture: of a fine-tuning.

    Raises InvalidRequest for a budget above the limit, Conflict where the name is taken, UnknownModel,
    Unavailable. Blocking.
    """
    settings, queue = services.settings, QUEUES[asked.kind]
    _check_budget(settings, asked)
    payload: dict[str, Any] = {"kind": asked.kind, "name": asked.name, "config": asked.config.given()}
    _check_ghn(settings, asked)
    if isinstance(asked, SearchJob | FineTuneJob):
        key = ""
        if isinstance(asked, SearchJob):
            _check_predictors(settings, asked)
    else:
        _check_name(settings, asked)
        if asked.replace:
            payload["replace"] = True
        # The key is the name: two jobs that would publish the same model cannot run side by side.
        key = f"training:{asked.name}"
    services.admission.check(queue, caller)
    if isinstance(asked, PredictorJob | HyperNASJob):
        payload["observations"] = _keep(services, asked.config.observations)
    if architecture is not None:
        payload["graph"] = architecture.store_runnable(services.artifacts)
        payload["source"] = architecture.store_source(services.artifacts)
        payload["torchvision"] = architecture.torchvision
    about = _about(asked, architecture)
    job = services.jobs.create(KIND, key=key, payload=payload, owner=caller.id, queue=queue, about=about)
    if not job.is_new:
        raise errors.Conflict(
            f"A job that trains {asked.name!r} is under way.",
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
    if job.kind != KIND:
        raise errors.NotFound(f"There is no training job {job.id}.")
    if job.owner != caller.id and not caller.may("admin"):
        raise errors.Forbidden(
            "This job was made with another key.", hint="Ask its owner, or use a key with the scope admin."
        )
    if not services.jobs.forget(job.id):
        raise errors.Conflict(
            f"This job is {job.status.value}.",
            job=job.links["self"],
            hint="Cancel it first: DELETE /jobs/{id}.",
        )
    shutil.rmtree(services.settings.home / "runs" / job.id, ignore_errors=True)


def _about(asked: AnyJob, architecture: ReadArchitecture | None) -> About:
    about = About(name=asked.name, task=asked.kind)
    if isinstance(asked, FineTuneJob):
        called = asked.name or (architecture.name if architecture is not None else "")
        return about.model_copy(update={"name": called or None, "model": asked.config.model})
    if isinstance(asked, SearchJob):
        return about.model_copy(update={"space": asked.config.space, "model": asked.config.predictor})
    if isinstance(asked, PredictorJob | HyperNASJob):
        return about.model_copy(update={"architectures": len(asked.config.observations)})
    return about


def _check_budget(settings: Settings, asked: AnyJob) -> None:
    limit = settings.training_max_minutes
    if isinstance(asked, PredictorJob | FineTuneJob):
        return  # bounded by what they are given; the worker ends what takes longer all the same
    if isinstance(asked, SearchJob):
        field, minutes = "/config/seconds", (asked.config.seconds or 0) / 60
    else:
        field, minutes = "/config/minutes", asked.config.minutes or 0
    if minutes > limit:
        raise errors.InvalidRequest(
            f"A training job may take {limit:g} minutes.", field=field, limit=limit, value=minutes
        )


def _check_name(settings: Settings, asked: ModelJob) -> None:
    if asked.name in RESERVED:
        raise errors.Conflict(
            f"Requests give the name {asked.name!r} another meaning.",
            field="/name",
            hint="Choose another name.",
        )
    check_free(asked.name, settings.home / "models", replace=asked.replace)


def _check_ghn(settings: Settings, asked: AnyJob) -> None:
    if isinstance(asked, PredictorJob) and asked.config.ghn is not None:
        name, field, lacks = asked.config.ghn, "/config/ghn", "it embeds nothing"
    elif isinstance(asked, FineTuneJob) and asked.config.start != "random":
        name, field = asked.config.model or settings.default_model, "/config/model"
        lacks = "it predicts no weights"
    else:
        return
    try:
        card = find_model(settings, name)
    except errors.UnknownModel as error:
        error.extra["field"] = field
        raise
    if card.kind != "ghn":
        raise errors.InvalidRequest(f"The model {card.name!r} is a {card.kind}; {lacks}.", field=field)


def _check_predictors(settings: Settings, asked: SearchJob) -> None:
    for field, name in asked.config.predictors().items():
        try:
            card = find_model(settings, name)
        except errors.UnknownModel as error:
            error.extra["field"] = pointer("config", field)
            raise
        if card.kind not in RANKING_KINDS:
            raise errors.InvalidRequest(
                f"The model {name!r} is a {card.kind}; it scores nothing.", field=pointer("config", field)
            )


def _keep(services: Services, observations: Sequence[Observation]) -> str:
    """The name of an artifact with one observation a line: a job's record stays small."""
    lines = (
        json.dumps(observation.model_dump(exclude_unset=True), separators=(",", ":"))
        for observation in observations
    )
    return services.artifacts.put_content("\n".join(lines).encode(), "lines.json").name
