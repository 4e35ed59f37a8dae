"""A regressor for time, energy and memory of networks of very different sizes.

    value = sum over counts of price * count, no price below zero

The prices are those that make the relative errors least (non-negative least squares of 1 on count / value),
so that small networks teach as much as large ones; and a network ten times as large as any that was measured
costs about ten times as much, where models of other kinds go back to the mean of what they saw.

Shape legend: N observations, M queries, F counts
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from service.errors import InvalidRequest
from service.predictors.regressors.scores import NORMAL_MARGIN, Floats, Prediction, check_observations

# A prediction is not less than so much of the least value that was observed: a sum of prices may be nothing.
_FLOOR = 1e-3


class PricesRegressor:
    """Scores are logarithms of values, in standard deviations from their mean."""

    def __init__(self, *, margin: float = NORMAL_MARGIN) -> None:
        self._margin = margin

    def fit(self, feature_NF: Floats, value_N: Floats) -> PricesRegressor:
        """Learn from observations. feature_NF: counts, none below zero.

        Raises InvalidRequest as the other regressors do, and for values that are not positive.
        """
        check_observations(feature_NF, value_N)
        if value_N.min() <= 0:
            raise InvalidRequest("What adds up over operations must be positive.", field="/observations")
        logarithm_N = np.log(value_N)
        self._center, self._unit = float(logarithm_N.mean()), float(logarithm_N.std()) or 1.0
        self._least = _FLOOR * float(value_N.min())
        relative_NF = _with_constant(feature_NF) / value_N[:, None]
        norm_F = np.linalg.norm(relative_NF, axis=0)
        norm_F[norm_F == 0] = 1.0
        price_F, _ = nnls(relative_NF / norm_F, np.ones(len(value_N)))
        self.price_F: Floats = price_F / norm_F
        error_N = self._score(feature_NF) - self._units(value_N)
        free = max(1, len(value_N) - int((price_F > 0).sum()))
        self._spread = float(np.sqrt((error_N**2).sum() / free))
        return self

    def predict(self, feature_MF: Floats) -> Prediction:
        score_M = self._score(feature_MF)
        spread_M = np.full(len(score_M), max(self._spread, 1e-6))
        reach_M = self._margin * spread_M
        value_M, low_M, high_M = (
            np.exp(self._center + self._unit * at_M)
            for at_M in (score_M, score_M - reach_M, score_M + reach_M)
        )
        return Prediction(score_M, value_M, low_M, high_M, spread_M)

    def scores(self, value_M: Floats) -> Floats:
        return self._units(value_M)

    def _score(self, feature_MF: Floats) -> Floats:
        return self._units(np.maximum(_with_constant(feature_MF) @ self.price_F, self._least))

    def _units(self, value_M: Floats) -> Floats:
        scores: Floats = (np.log(np.maximum(value_M, self._least)) - self._center) / self._unit
        return scores


def _with_constant(feature_MF: Floats) -> Floats:
    """One more count, 1 for every network."""
    return np.hstack([feature_MF, np.ones((len(feature_MF), 1))])
