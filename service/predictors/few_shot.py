"""A regressor for ranking from tens to hundreds of observations.

The mean of three models that err differently: extremely randomised trees on the values, the same on normal
scores, and a Gaussian process (Matern 3/2) on normal scores, which counts twice. Normal scores (the normal
quantiles of the ranks) keep
a few failed networks from bending everything: accuracies have a long lower tail, and what is asked for is an
order.

Shape legend: N observations, M queries, U different queries, F features
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, norm, rankdata
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from service.errors import InvalidRequest

Floats = NDArray[np.float64]

FEWEST_OBSERVATIONS = 5
NUM_TREES = 300
# A Gaussian process takes time cubic in its observations; beyond this it learns from a random part of them.
MOST_FOR_GAUSSIAN_PROCESS = 1500
BOOTSTRAPS = 500


@dataclass(frozen=True, slots=True)
class Prediction:
    """score_M: for ranking, in normal scores (0 is the median observation, 1 one standard deviation better).
    value_M: the same in units of the observed values. low_M, high_M: a 90% interval around it.
    spread_M: standard deviation of the score."""

    score_M: Floats
    value_M: Floats
    low_M: Floats
    high_M: Floats
    spread_M: Floats


def normal_scores(value_N: Floats) -> Floats:
    """Normal quantiles of the ranks; equal values get equal scores."""
    scores: Floats = norm.ppf((rankdata(value_N) - 0.5) / len(value_N))
    return scores


class FewShotRegressor:
    """Deterministic: the same observations and seed give the same predictions."""

    def __init__(self, *, seed: int = 0, num_trees: int = NUM_TREES) -> None:
        self._seed = seed
        self._num_trees = num_trees

    def fit(self, feature_NF: Floats, value_N: Floats) -> FewShotRegressor:
        """Learn from observations. Raises InvalidRequest for too few of them or values that are not
        finite.
        """
        if len(value_N) < FEWEST_OBSERVATIONS:
            raise InvalidRequest(
                f"{len(value_N)} observations are too few, {FEWEST_OBSERVATIONS} are needed.",
                field="observations",
            )
        if not (np.isfinite(value_N).all() and np.isfinite(feature_NF).all()):
            raise InvalidRequest("Observed values must be finite numbers.", field="observations")
        score_N = normal_scores(value_N)
        order = np.argsort(value_N, kind="stable")
        self._known_value, first = np.unique(value_N[order], return_index=True)
        self._known_score = score_N[order][first]
        self._trees_of_values = self._trees().fit(feature_NF, value_N)
        self._trees_of_scores = self._trees().fit(feature_NF, score_N)
        self._fit_gaussian_process(feature_NF, score_N)
        return self

    def predict(self, feature_MF: Floats) -> Prediction:
        # Many cells are the same network written differently; each is worked out once.
        feature_UF, inverse_M = np.unique(feature_MF, axis=0, return_inverse=True)
        by_value_U = np.interp(
            self._trees_of_values.predict(feature_UF), self._known_value, self._known_score
        )
        by_score_U = self._trees_of_scores.predict(feature_UF)
        smooth_U, spread_U = self._process.predict(self._standardised(feature_UF), return_std=True)
        score_U = (by_value_U + by_score_U + 2 * smooth_U) / 4
        margin_U = norm.ppf(0.95) * spread_U
        low_U, high_U = self._values(score_U - margin_U), self._values(score_U + margin_U)
        inverse_M = inverse_M.reshape(-1)
        return Prediction(
            score_U[inverse_M],
            self._values(score_U)[inverse_M],
            low_U[inverse_M],
            high_U[inverse_M],
            spread_U[inverse_M],
        )

    def _trees(self) -> ExtraTreesRegressor:
        return ExtraTreesRegressor(self._num_trees, max_features=0.5, random_state=self._seed)

    def _fit_gaussian_process(self, feature_NF: Floats, score_N: Floats) -> None:
        self._mean_F, scale_F = feature_NF.mean(axis=0), feature_NF.std(axis=0)
        self._varies_F = scale_F > 0
        self._scale_F = np.where(self._varies_F, scale_F, 1.0)
        num_features = max(1, int(self._varies_F.sum()))
        # Distances in F standardised dimensions grow with sqrt(F); the length scale starts there.
        kernel = ConstantKernel(1.0) * Matern(float(np.sqrt(num_features)), (1.0, 1e3), nu=1.5) + WhiteKernel(
            0.1, (1e-3, 1.0)
        )
        self._process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=self._seed)
        chosen = slice(None)
        if len(score_N) > MOST_FOR_GAUSSIAN_PROCESS:
            generator = np.random.default_rng(self._seed)
            chosen = generator.permutation(len(score_N))[:MOST_FOR_GAUSSIAN_PROCESS]  # type: ignore[assignment]
        with warnings.catch_warnings():
            # A kernel parameter at its bound is a fine result here.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._process.fit(self._standardised(feature_NF[chosen]), score_N[chosen])

    def _standardised(self, feature_MF: Floats) -> Floats:
        standardised = ((feature_MF - self._mean_F) / self._scale_F)[:, self._varies_F]
        return standardised if standardised.shape[1] else np.zeros((len(feature_MF), 1))

    def _values(self, score_M: Floats) -> Floats:
        """From normal scores to observed values; beyond the best and the worst observation, these."""
        return np.interp(score_M, self._known_score, self._known_value)


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """tau: Kendall's rank correlation of values with predictions made without them. low, high: its 90%
    interval.
    """

    tau: float
    low: float
    high: float


def cross_validate(feature_NF: Floats, value_N: Floats, *, folds: int = 5, seed: int = 0) -> CrossValidation:
    """How well the regressor ranks what it has not seen, from the observations alone.

    The interval is a bootstrap over observations; with few of them it is wide, and says so.
    """
    generator = np.random.default_rng(seed)
    fold_N = generator.permutation(len(value_N)) % min(folds, len(value_N))
    predicted_N = np.empty(len(value_N))
    for fold in range(fold_N.max() + 1):
        held_out = fold_N == fold
        model = FewShotRegressor(seed=seed).fit(feature_NF[~held_out], value_N[~held_out])
        predicted_N[held_out] = model.predict(feature_NF[held_out]).score_M
    resampled = generator.integers(len(value_N), size=(BOOTSTRAPS, len(value_N)))
    taus = [rank_correlation(predicted_N[sample], value_N[sample]) for sample in resampled]
    low, high = np.quantile(taus, [0.05, 0.95])
    return CrossValidation(rank_correlation(predicted_N, value_N), float(low), float(high))


def rank_correlation(predicted_N: Floats, value_N: Floats) -> float:
    """Kendall's tau-b; 0 where one side is constant and has no order."""
    tau = float(kendalltau(predicted_N, value_N).statistic)
    return tau if np.isfinite(tau) else 0.0
