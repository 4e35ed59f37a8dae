"""What is said of a predictor that was just fitted, here or by a service."""

from __future__ import annotations

from math import ceil
from typing import TypeAlias

from service.contract import training_results
from service.contract.training_results import HeldOut, SetAside
from service.predictors.rankers.certainty import certainty
from service.predictors.rankers.fitted import FittedPredictor
from service.predictors.regressors.scores import CrossValidation

Pairs: TypeAlias = tuple[tuple[float, float], ...]

_DIGITS = 4
# Of the pairs of a value and its prediction in an answer: more are no clearer in a chart.
_MOST_PAIRS = 500


def fit_report(predictor: FittedPredictor, score: CrossValidation) -> training_results.FittedPredictor:
    """Of many observations, `held_out` has a part. The predictor must be one of observations that were read
    (`Observations.tally`).
    """
    tally = predictor.observations.tally
    assert tally is not None
    return training_results.FittedPredictor(
        model=predictor.name,
        kind="predictor",
        property=predictor.property,
        n=tally.used,
        networks=tally.networks,
        failed=tally.failed,
        set_aside=[
            SetAside(index=item.index, reason=item.error.detail, problem=dict(item.error.problem()))
            for item in tally.set_aside
        ],
        method=predictor.method or "",
        kendall_tau_cv=round(score.tau, _DIGITS),
        interval=[round(score.low, _DIGITS), round(score.high, _DIGITS)],
        certainty=certainty(tally.used, score, networks=tally.networks),
        held_out=[HeldOut(value=value, predicted=guess) for value, guess in _thinned(score.pairs)],
    )


def _thinned(pairs: Pairs) -> Pairs:
    step = max(1, ceil(len(pairs) / _MOST_PAIRS))
    return pairs[::step]
