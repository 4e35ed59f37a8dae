"""Fit a predictor to a user's observations, keep it as a model, and say how sure it is. A plain function: no
Celery, no Redis.

Fitting takes seconds, so it is done by a worker of the queue `rank`, in its process; jobs that take longer
are processes of their own (training.py).
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from service.contract import training_results as results
from service.contract.predictor import PredictorTraining
from service.contract.reading import read
from service.contract.training import TrainingPayload
from service.documents import read_document
from service.errors import ServiceError
from service.models.publish import check_free, publish
from service.predictors.rankers.fit_report import fit_report
from service.predictors.rankers.fitted import FittedPredictor, observe, save_predictor
from service.workers.pacing import paced
from service.workers.runtime import Report, Runtime
from service.workers.training import read_observations

_STAGES = 3


def run_fit(runtime: Runtime, payload: TrainingPayload, report: Report) -> results.FittedPredictor:
    """What `fit_report` says.

    Errors: InvalidRequest and the readers' errors, with the number of the `observation` that is wrong;
    Conflict when the name is taken; NotFound when the observations have expired; JobCancelled.
    """
    settings, name = runtime.settings, payload["name"] or ""
    models, replace = settings.home / "models", bool(payload.get("replace"))
    check_free(name, models, replace=replace)
    items = read_observations(runtime.artifacts, payload["observations"])
    options = read(PredictorTraining, {**payload["config"], "observations": items})
    tell = paced(report)
    try:
        seen = observe(
            options.observations,
            read=lambda document: read_document(document, settings),
            report=lambda done, total: tell(done / total, _STAGES, "reading the architectures"),
            features=options.features,
            ghn=options.ghn or settings.default_model,
            failed=options.failed,
        )
    except ServiceError as error:
        if "field" in error.extra:
            error.place_in("config")
        raise
    report(1, _STAGES, "fitting")
    predictor = FittedPredictor(name, options.property, seen)
    report(2, _STAGES, "cross-validation")
    score = predictor.cross_validate()
    report(_STAGES, _STAGES, "done")
    with TemporaryDirectory(dir=_scratch(settings.home)) as folder:
        save_predictor(Path(folder), predictor, score)
        publish(Path(folder), models / name, replace=replace)
    return fit_report(predictor, score)


def _scratch(home: Path) -> Path:
    folder = home / "runs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
