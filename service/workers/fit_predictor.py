"""Fit a predictor to a user's observations, keep it as a model, and say how sure it is. A plain function: no
Celery, no Redis.

Fitting takes seconds, so it is done by a worker of the queue `rank`, in its process; jobs that take longer
are processes of their own (training.py).
"""

from __future__ import annotations

from service.contract import training_results as results
from service.contract.predictor import PredictorTraining
from service.contract.reading import read
from service.contract.training import TrainingPayload
from service.documents import read_document
from service.errors import ServiceError
from service.kit.pacing import Report
from service.models.publish import check_free
from service.predictors.rankers.fitting import fit, keep
from service.workers.runtime import Runtime
from service.workers.training import read_observations


def run_fit(runtime: Runtime, payload: TrainingPayload, report: Report) -> results.FittedPredictor:
    """What `fitting.keep` tells.

    Errors: InvalidRequest and the readers' errors, with the number of the `observation` that is wrong;
    Conflict when the name is taken; NotFound when the observations have expired; JobCancelled.
    """
    settings, name = runtime.settings, payload["name"] or ""
    models, replace = settings.home / "models", bool(payload.get("replace"))
    check_free(name, models, replace=replace)
    items = read_observations(runtime.artifacts, payload["observations"])
    options = read(PredictorTraining, {**payload["config"], "observations": items})
    try:
        predictor, score = fit(
            options.observations, name, options.property, options,
            read=lambda document: read_document(document, settings),
            report=report,
            default_ghn=settings.default_model,
        )  # fmt: skip
    except ServiceError as error:
        if "field" in error.extra:
            error.place_in("config")
        raise
    return keep(predictor, score, models, replace=replace)
