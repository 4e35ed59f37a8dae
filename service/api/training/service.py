"""A training job from what was asked to the queue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from service import errors
from service.api.auth import Principal
from service.api.models import find_model
from service.api.rank.service import RANKING_KINDS
from service.api.services import Services
from service.api.training.options import Observation
from service.api.training.schemas import AnyJob, HyperNASJob, PredictorJob, SearchJob
from service.catalog import SHIPPED_MODELS, list_cards
from service.settings import Settings
from service.store.queue import enqueue
from service.store.records import About, Job

KIND = "training"
# Fitting takes seconds: it must not wait behind a training run that takes days.
QUEUES = {"ghn": "training", "hypernas": "training", "search": "training", "predictor": "rank"}
# Names that requests give another meaning.
RESERVED = ("structure", "parameters", "multiply_adds")


def start(services: Services, caller: Principal, asked: AnyJob) -> Job:
    """Record and queue the job.

    Raises InvalidRequest for a budget above the limit, Conflict where the name is taken, UnknownModel,
    Unavailable. Blocking.
    """
    settings, queue = services.settings, QUEUES[asked.kind]
    _check_budget(settings, asked)
    payload: dict[str, Any] = {"kind": asked.kind, "name": asked.name, "config": asked.config.given()}
    if isinstance(asked, SearchJob):
        _check_predictors(settings, asked)
        key = ""
    else:
        _check_name(settings, asked.name)
        _check_ghn(settings, asked)
        # The key is the name: two jobs that would publish the same model cannot run side by side.
        key = f"training:{asked.name}"
    services.admission.check(queue, caller)
    if isinstance(asked, PredictorJob | HyperNASJob):
        payload["observations"] = _keep(services, asked.config.observations)
    about = _about(asked)
    job = services.jobs.create(KIND, key=key, payload=payload, owner=caller.id, queue=queue, about=about)
    if not job.is_new:
        raise errors.Conflict(
            f"A job that trains {asked.name!r} is under way.",
            field="name",
            job=job.links["self"],
            hint="Choose another name.",
        )
    enqueue(job, settings)
    return job


def _about(asked: AnyJob) -> About:
    about = About(name=asked.name, task=asked.kind)
    if isinstance(asked, SearchJob):
        return about.model_copy(update={"space": asked.config.space, "model": asked.config.predictor})
    if isinstance(asked, PredictorJob | HyperNASJob):
        return about.model_copy(update={"architectures": len(asked.config.observations)})
    return about


def _check_budget(settings: Settings, asked: AnyJob) -> None:
    limit = settings.training_max_minutes
    if isinstance(asked, PredictorJob):
        return
    if isinstance(asked, SearchJob):
        field, minutes = "config/seconds", (asked.config.seconds or 0) / 60
    else:
        field, minutes = "config/minutes", asked.config.minutes or 0
    if minutes > limit:
        raise errors.InvalidRequest(
            f"A training job may take {limit:g} minutes.", field=field, limit=limit, value=minutes
        )


def _check_name(settings: Settings, name: str | None) -> None:
    cards = list_cards((SHIPPED_MODELS, settings.home / "models"))
    if name in RESERVED or any(card.name == name for card in cards):
        raise errors.Conflict(
            f"There is a model {name!r} already.", field="name", hint="Choose another name."
        )


def _check_ghn(settings: Settings, asked: AnyJob) -> None:
    if not isinstance(asked, PredictorJob) or asked.config.ghn is None:
        return
    card = find_model(settings, asked.config.ghn)
    if card.kind != "ghn":
        raise errors.InvalidRequest(
            f"The model {card.name!r} is a {card.kind}; it embeds nothing.", field="config/ghn"
        )


def _check_predictors(settings: Settings, asked: SearchJob) -> None:
    for field, name in asked.config.predictors().items():
        try:
            card = find_model(settings, name)
        except errors.UnknownModel as error:
            error.extra["field"] = f"config/{field}"
            raise
        if card.kind not in RANKING_KINDS:
            raise errors.InvalidRequest(
                f"The model {name!r} is a {card.kind}; it scores nothing.", field=f"config/{field}"
            )


def _keep(services: Services, observations: Sequence[Observation]) -> str:
    """The name of an artifact with one observation a line: a job's record stays small."""
    lines = (
        json.dumps(observation.model_dump(exclude_none=True), separators=(",", ":"))
        for observation in observations
    )
    return services.artifacts.put_content("\n".join(lines).encode(), "lines.json").name
