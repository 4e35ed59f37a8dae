"""What is said of a predictor that was just fitted, here or by a service."""

from __future__ import annotations

from math import ceil
from typing import Any, TypeAlias

from service.predictors.rankers.certainty import certainty
from service.predictors.rankers.fitted import FittedPredictor
from service.predictors.regressors.scores import CrossValidation

Pairs: TypeAlias = tuple[tuple[float, float], ...]

_DIGITS = 4
# Of the pairs of a value and its prediction in an answer: more are no clearer in a chart.
_MOST_PAIRS = 500


def fit_report(predictor: FittedPredictor, score: CrossValidation) -> dict[str, Any]:
    """`n` observations were used, of so many different `networks`; trainings that `failed` were counted, and
    cells that are no network are in `set_aside`, by their index, as a ranking has them in `skipped`.
    `held_out`: what each observation was (`value`, the mean of equal ones) and what a predictor said that had
    learned from others (`predicted`); of many observations, a part.

    The predictor must be one of observations that were read (`Observations.tally`).
    """
    tally = predictor.observations.tally
    assert tally is not None
    return {
        "n": tally.used,
        "networks": tally.networks,
        "failed": tally.failed,
        "set_aside": [
            {"index": item.index, "reason": item.error.detail, "problem": item.error.problem()}
            for item in tally.set_aside
        ],
        "method": predictor.method,
        "kendall_tau_cv": round(score.tau, _DIGITS),
        "interval": [round(score.low, _DIGITS), round(score.high, _DIGITS)],
        "certainty": certainty(tally.used, score, networks=tally.networks),
        "held_out": [{"value": value, "predicted": predicted} for value, predicted in _thinned(score.pairs)],
    }


def _thinned(pairs: Pairs) -> Pairs:
    step = max(1, ceil(len(pairs) / _MOST_PAIRS))
    return pairs[::step]
