"""What all regressors share: normal scores, predictions with intervals, cross-validation.

Shape legend: N observations, M queries, F features
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, norm, rankdata

from service.errors import InvalidRequest

Floats = NDArray[np.float64]

FEWEST_OBSERVATIONS = 5
COVERAGE = 0.9
NORMAL_MARGIN = float(norm.ppf(0.5 + COVERAGE / 2))
BOOTSTRAPS = 500
# A spread that is nearly nothing says that a model has seen the very same features, not that it is certain.
_LEAST_SPREAD = 1e-3
# So many normal scores beyond the extremes a line is drawn: farther than any interval reaches.
_FAR = 10.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """score_M: for ranking, in normal scores (0 is the median observation, 1 one standard deviation better).
    value_M: the same in units of the observed values. low_M, high_M: a 90% interval around it. spread_M: the
    standard deviation of the score, before a margin widened it to the interval.
    """

    score_M: Floats
    value_M: Floats
    low_M: Floats
    high_M: Floats
    spread_M: Floats


class Regressor(Protocol):
    def fit(self, feature_NF: Floats, value_N: Floats) -> Regressor: ...

    def predict(self, feature_MF: Floats) -> Prediction: ...

    def scores(self, value_M: Floats) -> Floats:
        """Observed values on the scale of its scores."""
        ...


def normal_scores(value_N: Floats) -> Floats:
    """Normal quantiles of the ranks; equal values get equal scores."""
    scores: Floats = norm.ppf((rankdata(value_N) - 0.5) / len(value_N))
    return scores


def rank_correlation(predicted_N: Floats, value_N: Floats) -> float:
    """Kendall's tau-b; 0 where one side is constant and has no order."""
    tau = float(kendalltau(predicted_N, value_N).statistic)
    return tau if np.isfinite(tau) else 0.0


def check_observations(feature_NF: Floats, value_N: Floats) -> None:
    """Raises InvalidRequest for too few observations or numbers that are not finite."""
    if len(value_N) < FEWEST_OBSERVATIONS:
        raise InvalidRequest(
            f"{len(value_N)} observations are too few, {FEWEST_OBSERVATIONS} are needed.",
            field="observations",
        )
    if not (np.isfinite(value_N).all() and np.isfinite(feature_NF).all()):
        raise InvalidRequest("Observed values must be finite numbers.", field="observations")


class ScoreScale:
    """Between normal scores and observed values. Beyond the best and the worst observation the line goes on
    with the slope of the outer tenth: an interval may end there, a predicted value does not.
    """

    def __init__(self, value_N: Floats) -> None:
        value_U, first = np.unique(value_N, return_index=True)
        score_U = normal_scores(value_N)[first]
        self._least, self._most = float(value_U[0]), float(value_U[-1])
        reach = max(1, len(value_U) // 10)
        below = _slope(value_U[: reach + 1], score_U[: reach + 1])
        above = _slope(value_U[-reach - 1 :], score_U[-reach - 1 :])
        self._value = np.array([value_U[0] - _FAR * below, *value_U, value_U[-1] + _FAR * above])
        self._score = np.array([score_U[0] - _FAR, *score_U, score_U[-1] + _FAR])

    def scores(self, value_M: Floats) -> Floats:
        scores: Floats = np.interp(value_M, self._value, self._score)
        return scores

    def prediction(self, score_M: Floats, spread_M: Floats, margin: float) -> Prediction:
        spread_M = np.maximum(spread_M, _LEAST_SPREAD)
        value_M, low_M, high_M = (
            np.interp(at_M, self._score, self._value)
            for at_M in (score_M, score_M - margin * spread_M, score_M + margin * spread_M)
        )
        within_M: Floats = np.clip(value_M, self._least, self._most)
        return Prediction(
            score_M, within_M, np.minimum(low_M, within_M), np.maximum(high_M, within_M), spread_M
        )


def _slope(value_U: Floats, score_U: Floats) -> float:
    """Value a normal score, never nothing: scores must be found from values too."""
    rise, run = float(value_U[-1] - value_U[0]), float(score_U[-1] - score_U[0])
    return max(rise / run if run > 0 else 0.0, 1e-9 * (1 + abs(float(value_U[0]))))


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """tau: Kendall's rank correlation of values with predictions made without them. low, high: its 90%
    interval. margin: so many spreads on either side hold 90% of what was not seen.
    """

    tau: float
    low: float
    high: float
    margin: float = NORMAL_MARGIN


def cross_validate_with(
    make: Callable[[], Regressor], feature_NF: Floats, value_N: Floats, *, folds: int = 5, seed: int = 0
) -> CrossValidation:
    """How well a kind of regressor ranks what it has not seen, from the observations alone.

    The interval of tau is a bootstrap over observations; with few of them it is wide, and says so. The margin
    is the conformal quantile of errors in units of the predicted spread, over all held-out observations.
    """
    generator = np.random.default_rng(seed)
    fold_N = generator.permutation(len(value_N)) % min(folds, len(value_N))
    predicted_N, error_N = np.empty(len(value_N)), np.empty(len(value_N))
    for fold in range(fold_N.max() + 1):
        held_out = fold_N == fold
        model = make().fit(feature_NF[~held_out], value_N[~held_out])
        found = model.predict(feature_NF[held_out])
        predicted_N[held_out] = found.score_M
        error_N[held_out] = np.abs(model.scores(value_N[held_out]) - found.score_M) / found.spread_M
    resampled = generator.integers(len(value_N), size=(BOOTSTRAPS, len(value_N)))
    taus = [rank_correlation(predicted_N[sample], value_N[sample]) for sample in resampled]
    low, high = np.quantile(taus, [0.05, 0.95])
    place = min(len(error_N), ceil(COVERAGE * (len(error_N) + 1)))
    return CrossValidation(
        rank_correlation(predicted_N, value_N), float(low), float(high), float(np.sort(error_N)[place - 1])
    )
