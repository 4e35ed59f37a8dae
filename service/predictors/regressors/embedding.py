"""A regressor of a property on embeddings of networks: mean node states of a GHN (GHN-2 paper, section 5.2).

Support vector, ridge and kernel-ridge regression on standardised embeddings and normal scores, each over a
grid of its constants; what ranks held-out observations best in cross-validation is fitted on all of them.

Shape legend: N observations, M queries, F features
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.svm import SVR

from service.predictors.regressors.scores import (
    NORMAL_MARGIN,
    Floats,
    Prediction,
    ScoreScale,
    check_observations,
    normal_scores,
    rank_correlation,
)

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """kind, strength: the regressor and its constant (C of a support vector machine, alpha of the others).
    width: of the Gaussian kernel, in units of one over the number of features; 0 where there is none.
    """

    kind: str
    strength: float
    width: float = 0.0

    def make(self, num_features: int) -> RegressorMixin:
        gamma = self.width / max(1, num_features)
        if self.kind == "svr":
            return SVR(C=self.strength, gamma=gamma, epsilon=0.1)
        if self.kind == "kernel ridge":
            return KernelRidge(kernel="laplacian", alpha=self.strength, gamma=gamma)
        return Ridge(alpha=self.strength)


CANDIDATES: tuple[Candidate, ...] = (
    *(Candidate("ridge", alpha) for alpha in (0.01, 0.1, 1.0, 10.0, 100.0)),
    *(Candidate("svr", C, width) for C in (1.0, 10.0, 100.0) for width in (0.03, 0.1, 0.3, 1.0)),
    *(Candidate("kernel ridge", alpha, width) for alpha in (0.01, 0.1, 1.0) for width in (0.03, 0.1, 0.3)),
)


class EmbeddingRegressor:
    """Deterministic. `chosen` is the candidate that cross-validation took."""

    def __init__(self, *, seed: int = 0, margin: float = NORMAL_MARGIN) -> None:
        self._seed, self._margin = seed, margin

    def fit(self, feature_NF: Floats, value_N: Floats) -> EmbeddingRegressor:
        """Learn from observations. Raises InvalidRequest as the other regressors do."""
        check_observations(feature_NF, value_N)
        self._scale = ScoreScale(value_N)
        score_N = normal_scores(value_N)
        self._mean_F, deviation_F = feature_NF.mean(axis=0), feature_NF.std(axis=0)
        self._deviation_F = np.where(deviation_F > 0, deviation_F, 1.0)
        standardised_NF = self._standardised(feature_NF)
        generator = np.random.default_rng(self._seed)
        fold_N = generator.permutation(len(score_N)) % min(_FOLDS, len(score_N))
        best = -np.inf
        for candidate in CANDIDATES:
            predicted_N = _held_out(candidate, standardised_NF, score_N, fold_N)
            tau = rank_correlation(predicted_N, score_N)
            if tau > best:
                best, self.chosen = tau, candidate
                self._spread = float(np.sqrt(np.mean((predicted_N - score_N) ** 2)))
        self._model = self.chosen.make(standardised_NF.shape[1]).fit(standardised_NF, score_N)
        return self

    def predict(self, feature_MF: Floats) -> Prediction:
        score_M: Floats = np.asarray(self._model.predict(self._standardised(feature_MF)), dtype=np.float64)
        return self._scale.prediction(score_M, np.full(len(score_M), self._spread), self._margin)

    def scores(self, value_M: Floats) -> Floats:
        return self._scale.scores(value_M)

    def _standardised(self, feature_MF: Floats) -> Floats:
        standardised: Floats = (feature_MF - self._mean_F) / self._deviation_F
        return standardised


def _held_out(candidate: Candidate, feature_NF: Floats, score_N: Floats, fold_N: NDArray[np.int64]) -> Floats:
    """Predictions of every observation from the other folds."""
    predicted_N = np.empty(len(score_N))
    for fold in np.unique(fold_N):
        held = fold_N == fold
        model = candidate.make(feature_NF.shape[1]).fit(feature_NF[~held], score_N[~held])
        predicted_N[held] = model.predict(feature_NF[held])
    return predicted_N
