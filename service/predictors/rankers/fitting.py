"""From somebody's observations to a predictor among the models, for a worker and the command line alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from service.contract import training_results
from service.contract.predictor import Fitting
from service.kit.pacing import Report, paced
from service.models.publish import publish
from service.predictors.features.architectures import Reader
from service.predictors.rankers.fit_report import fit_report
from service.predictors.rankers.fitted import FittedPredictor, observe, save_predictor
from service.predictors.regressors.scores import CrossValidation

_STAGES = 2


def fit(
    items: Sequence[Any], name: str, property: str, options: Fitting, *,
    read: Reader, report: Report, default_ghn: str,
) -> tuple[FittedPredictor, CrossValidation]:  # fmt: skip
    """The predictor with the best method for these observations, and how well it ranks.

    Raises InvalidRequest and the readers' errors, with the number of the `observation` that is wrong.
    """
    tell = paced(report)
    seen = observe(
        items,
        read=read,
        report=lambda done, total: tell(done / total, _STAGES, "reading the architectures"),
        features=options.features,
        ghn=options.ghn or default_ghn,
        failed=options.failed,
    )
    report(1, _STAGES, "cross-validation")
    predictor = FittedPredictor(name, property, seen)
    score = predictor.cross_validate()
    report(_STAGES, _STAGES, "done")
    return predictor, score


def keep(
    predictor: FittedPredictor, score: CrossValidation, models: Path, *, replace: bool
) -> training_results.FittedPredictor:
    """Publish the predictor in the folder of the user's models, and tell what it is. Raises Conflict."""
    models.mkdir(parents=True, exist_ok=True)
    # A folder that begins with a dot is no model.
    with TemporaryDirectory(dir=models, prefix=".") as folder:
        save_predictor(Path(folder), predictor, score)
        publish(Path(folder), models / predictor.name, replace=replace)
    return fit_report(predictor, score)
