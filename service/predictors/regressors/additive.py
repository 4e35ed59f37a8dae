"""A regressor for what adds up over a network's operations: latency, energy, memory.

Ridge regression of the values on counts of operations, its strength chosen by leave-one-out. Where every
operation takes its time, dead ends included, some fifty measurements place the few prices that there are, and
no model that may bend anywhere comes near.

Shape legend: N observations, M queries, F features
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import RidgeCV

from service.predictors.regressors.scores import NORMAL_MARGIN, Floats, Prediction, check_observations

_STRENGTHS = np.logspace(-3, 3, 13)


class AdditiveRegressor:
    """Scores are predicted values in standard deviations from the mean of what was observed."""

    def __init__(self, *, margin: float = NORMAL_MARGIN) -> None:
        self._margin = margin

    def fit(self, feature_NF: Floats, value_N: Floats) -> AdditiveRegressor:
        """Learn from observations. Raises InvalidRequest as the other regressors do."""
        check_observations(feature_NF, value_N)
        self._mean_F, scale_F = feature_NF.mean(axis=0), feature_NF.std(axis=0)
        self._scale_F = np.where(scale_F > 0, scale_F, 1.0)
        self._center, self._unit = float(value_N.mean()), float(value_N.std()) or 1.0
        self._ridge = RidgeCV(_STRENGTHS).fit(self._standardised(feature_NF), self._units(value_N))
        # best_score_: minus the mean squared leave-one-out error.
        self._spread = float(np.sqrt(max(0.0, -self._ridge.best_score_)))
        return self

    def predict(self, feature_MF: Floats) -> Prediction:
        score_M: Floats = self._ridge.predict(self._standardised(feature_MF))
        spread_M = np.full(len(score_M), max(self._spread, 1e-6))
        value_M, reach_M = self._center + self._unit * score_M, self._unit * self._margin * spread_M
        return Prediction(score_M, value_M, value_M - reach_M, value_M + reach_M, spread_M)

    def scores(self, value_M: Floats) -> Floats:
        return self._units(value_M)

    def _units(self, value_M: Floats) -> Floats:
        return (value_M - self._center) / self._unit

    def _standardised(self, feature_MF: Floats) -> Floats:
        standardised: Floats = (feature_MF - self._mean_F) / self._scale_F
        return standardised
