"""A regressor for ranking from tens to hundreds of observations.

The mean of four models that err differently: extremely randomised trees on the values, gradient-boosted trees
on normal scores, and two Gaussian processes (Matern 3/2) on normal scores, one over the features as they are
and one over their logarithms, since most of them are counts. Normal scores (the normal quantiles of the
ranks) keep a few failed networks from bending everything: accuracies have a long lower tail, and what is
asked for is an order.

Shape legend: N observations, M queries, U different queries, F features
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from service.predictors.regressors.scores import (
    FEWEST_OBSERVATIONS,
    NORMAL_MARGIN,
    CrossValidation,
    Floats,
    Prediction,
    ScoreScale,
    check_observations,
    cross_validate_with,
    normal_scores,
    rank_correlation,
)

__all__ = [
    "FEWEST_OBSERVATIONS",
    "CrossValidation",
    "FewShotRegressor",
    "Floats",
    "Prediction",
    "SmoothRegressor",
    "cross_validate",
    "normal_scores",
    "rank_correlation",
]

NUM_TREES = 300
# A Gaussian process takes time cubic in its observations; beyond this it learns from a random part of them.
MOST_FOR_GAUSSIAN_PROCESS = 1000


class FewShotRegressor:
    """Deterministic: the same observations and seed give the same predictions.

    margin: half the width of the 90% interval, in standard deviations of the Gaussian process; what
    cross-validation measured, or that of a normal distribution.
    """

    def __init__(self, *, seed: int = 0, num_trees: int = NUM_TREES, margin: float = NORMAL_MARGIN) -> None:
        self._seed = seed
        self._num_trees = num_trees
        self._margin = margin

    def fit(self, feature_NF: Floats, value_N: Floats) -> FewShotRegressor:
        """Learn from observations. Raises InvalidRequest for too few of them or values that are not
        finite.
        """
        check_observations(feature_NF, value_N)
        self._scale = ScoreScale(value_N)
        score_N = normal_scores(value_N)
        self._trees_of_values = ExtraTreesRegressor(
            self._num_trees, max_features=0.5, random_state=self._seed
        ).fit(feature_NF, value_N)
        self._boosted = GradientBoostingRegressor(
            n_estimators=self._num_trees * 2 // 3,
            learning_rate=0.05,
            subsample=0.5,
            max_depth=4,
            max_features=0.3,
            random_state=self._seed,
        ).fit(feature_NF, score_N)
        self._processes = _Processes(self._seed).fit(feature_NF, score_N)
        return self

    def predict(self, feature_MF: Floats) -> Prediction:
        # Many cells are the same network written differently; each is worked out once.
        feature_UF, inverse_M = np.unique(feature_MF, axis=0, return_inverse=True)
        by_value_U = self._scale.scores(self._trees_of_values.predict(feature_UF))
        smooth_U, spread_U = self._processes.predict(feature_UF)
        score_U = (by_value_U + self._boosted.predict(feature_UF) + 2 * smooth_U) / 4
        inverse_M = inverse_M.reshape(-1)
        return self._scale.prediction(score_U[inverse_M], spread_U[inverse_M], self._margin)

    def scores(self, value_M: Floats) -> Floats:
        return self._scale.scores(value_M)


class SmoothRegressor:
    """The two Gaussian processes of the mixture alone: ahead of it where values bend nowhere sharply, as
    where networks differ in their widths.
    """

    def __init__(self, *, seed: int = 0, margin: float = NORMAL_MARGIN) -> None:
        self._seed, self._margin = seed, margin

    def fit(self, feature_NF: Floats, value_N: Floats) -> SmoothRegressor:
        """Learn from observations. Raises InvalidRequest as the other regressors do."""
        check_observations(feature_NF, value_N)
        self._scale = ScoreScale(value_N)
        self._processes = _Processes(self._seed).fit(feature_NF, normal_scores(value_N))
        return self

    def predict(self, feature_MF: Floats) -> Prediction:
        score_M, spread_M = self._processes.predict(feature_MF)
        return self._scale.prediction(score_M, spread_M, self._margin)

    def scores(self, value_M: Floats) -> Floats:
        return self._scale.scores(value_M)


class _Processes:
    """Two Gaussian processes: over the features as they are, and over their logarithms."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fit(self, feature_NF: Floats, score_N: Floats) -> _Processes:
        chosen = np.arange(len(score_N))
        if len(score_N) > MOST_FOR_GAUSSIAN_PROCESS:
            chosen = np.random.default_rng(self._seed).permutation(chosen)[:MOST_FOR_GAUSSIAN_PROCESS]
        self._plain = _Smooth(self._seed).fit(feature_NF[chosen], score_N[chosen])
        self._logarithmic = _Smooth(self._seed).fit(_logarithms(feature_NF[chosen]), score_N[chosen])
        return self

    def predict(self, feature_MF: Floats) -> tuple[Floats, Floats]:
        """Means of their scores and of their spreads."""
        plain_M, spread_M = self._plain.predict(feature_MF)
        logarithmic_M, other_spread_M = self._logarithmic.predict(_logarithms(feature_MF))
        return (plain_M + logarithmic_M) / 2, (spread_M + other_spread_M) / 2


class _Smooth:
    """A Gaussian process over standardised features."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fit(self, feature_NF: Floats, score_N: Floats) -> _Smooth:
        self._mean_F, scale_F = feature_NF.mean(axis=0), feature_NF.std(axis=0)
        self._varies_F = scale_F > 0
        self._scale_F = np.where(self._varies_F, scale_F, 1.0)
        num_features = max(1, int(self._varies_F.sum()))
        # Distances in F standardised dimensions grow with sqrt(F); the length scale starts there.
        kernel = ConstantKernel(1.0) * Matern(float(np.sqrt(num_features)), (1.0, 1e3), nu=1.5) + WhiteKernel(
            0.1, (1e-3, 1.0)
        )
        self._process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=self._seed)
        with warnings.catch_warnings():
            # A kernel parameter at its bound is a fine result here.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._process.fit(self._standardised(feature_NF), score_N)
        return self

    def predict(self, feature_MF: Floats) -> tuple[Floats, Floats]:
        """mean_M, spread_M: in normal scores."""
        mean_M, spread_M = self._process.predict(self._standardised(feature_MF), return_std=True)
        return mean_M, spread_M

    def _standardised(self, feature_MF: Floats) -> Floats:
        standardised = ((feature_MF - self._mean_F) / self._scale_F)[:, self._varies_F]
        return standardised if standardised.shape[1] else np.zeros((len(feature_MF), 1))


def _logarithms(feature_MF: Floats) -> Floats:
    """Counts on a logarithmic scale; the sign is kept."""
    logarithms: Floats = np.sign(feature_MF) * np.log1p(np.abs(feature_MF))
    return logarithms


def cross_validate(feature_NF: Floats, value_N: Floats, *, folds: int = 5, seed: int = 0) -> CrossValidation:
    """How well the regressor ranks what it has not seen, from the observations alone."""
    return cross_validate_with(
        lambda: FewShotRegressor(seed=seed), feature_NF, value_N, folds=folds, seed=seed
    )
