"""What all regressors share: normal scores, predictions with intervals, cross-validation.

Shape legend: N observations, M queries, F features
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.errors import InvalidRequest

Floats = NDArray[np.float64]
Name = TypeVar("Name", bound=str)

FEWEST_OBSERVATIONS = 5
# Of scores in answers.
SCORE_DECIMALS = 6
COVERAGE = 0.9
NORMAL_MARGIN = NormalDist().inv_cdf(0.5 + COVERAGE / 2)
BOOTSTRAPS = 500
_LOST_FREEDOM = 6
# A spread that is nearly nothing says that a model has seen the very same features, not that it is certain.
_LEAST_SPREAD = 1e-3
# Pairs are counted one by one up to so many observations: quicker than sorting each resampling of them.
_MOST_IN_PAIRS = 1000
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
    # Imported late, as below: it takes a second, and a ranking alone has no use for it.
    from scipy.stats import norm, rankdata

    scores: Floats = norm.ppf((rankdata(value_N) - 0.5) / len(value_N))
    return scores


def rank_correlation(predicted_N: Floats, value_N: Floats) -> float:
    """Kendall's tau-b; 0 where one side is constant and has no order."""
    from scipy.stats import kendalltau

    tau = float(kendalltau(predicted_N, value_N).statistic)
    return tau if np.isfinite(tau) else 0.0


def resampled_correlations(
    predicted_N: Floats, value_N: Floats, samples: Sequence[NDArray[np.int64]]
) -> Floats:
    """`rank_correlation` of each sample: indices of observations, as often as they were drawn.

    A pair of observations counts as often as both were drawn, so that the pairs are compared once for all
    samples. Scipy takes most of a millisecond a call, however few there are.
    """
    if len(value_N) > _MOST_IN_PAIRS:
        return np.array([rank_correlation(predicted_N[sample], value_N[sample]) for sample in samples])
    count_BN = np.array([np.bincount(sample, minlength=len(value_N)) for sample in samples], np.float64)
    one_NN, other_NN = (np.sign(x_N[:, None] - x_N) for x_N in (predicted_N, value_N))
    concordant_B, apart_B, other_apart_B = (
        (count_BN @ pair_NN * count_BN).sum(1)
        for pair_NN in (one_NN * other_NN, np.abs(one_NN), np.abs(other_NN))
    )
    size_B = np.sqrt(apart_B * other_apart_B)
    tau_B: Floats = np.divide(concordant_B, size_B, out=np.zeros(len(samples)), where=size_B > 0)
    return tau_B


def check_observations(feature_NF: Floats, value_N: Floats) -> None:
    """Raises InvalidRequest for too few observations or numbers that are not finite."""
    if len(value_N) < FEWEST_OBSERVATIONS:
        raise InvalidRequest(
            f"{len(value_N)} observations are too few, {FEWEST_OBSERVATIONS} are needed.",
            field="/observations",
        )
    if not (np.isfinite(value_N).all() and np.isfinite(feature_NF).all()):
        raise InvalidRequest("Observed values must be finite numbers.", field="/observations")


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


class AnyScale:
    """A regressor of values of any size: the one inside sees them divided by a power of two that brings the
    largest near 1, which changes no digit of a normal number.
    """

    def __init__(self, inner: Regressor) -> None:
        self._inner = inner

    def fit(self, feature_NF: Floats, value_N: Floats) -> AnyScale:
        largest = float(np.abs(value_N).max(initial=0.0))
        self._exponent = int(np.frexp(largest)[1]) if np.isfinite(largest) else 0
        self._inner.fit(feature_NF, np.ldexp(value_N, -self._exponent))
        return self

    def predict(self, feature_MF: Floats) -> Prediction:
        prediction = self._inner.predict(feature_MF)
        value_M, low_M, high_M = (
            self._restored(at_M) for at_M in (prediction.value_M, prediction.low_M, prediction.high_M)
        )
        return Prediction(prediction.score_M, value_M, low_M, high_M, prediction.spread_M)

    def scores(self, value_M: Floats) -> Floats:
        return self._inner.scores(np.ldexp(value_M, -self._exponent))

    def _restored(self, value_M: Floats) -> Floats:
        """In units of the observations; what no number can hold is the largest that there is."""
        with np.errstate(over="ignore"):
            restored: Floats = np.nan_to_num(np.ldexp(value_M, self._exponent))
        return restored


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """tau: Kendall's rank correlation of values with predictions made without them. low, high: its 90%
    interval. margin: so many spreads on either side hold 90% of what was not seen. pairs: of every
    observation its value and the prediction, both in units of the observations.
    """

    tau: float
    low: float
    high: float
    margin: float = NORMAL_MARGIN
    pairs: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a regressor said of each observation that it had not learned from. predicted_N: scores;
    value_N: the same in units of the observations. error_N: in units of the predicted spread.
    """

    predicted_N: Floats
    value_N: Floats
    error_N: Floats


def hold_out(
    make: Callable[[], Regressor],
    feature_NF: Floats,
    value_N: Floats,
    group_N: NDArray[np.int64],
    *,
    folds: int = 5,
    seed: int = 0,
) -> HeldOut:
    """Predictions of every observation by a regressor that learned from the other folds.

    group_N: the number, from 0, of the network that was observed. The observations of one network are held
    out together: one that was seen says all about the others.
    """
    num_groups = int(group_N.max()) + 1
    order_G = np.random.default_rng(seed).permutation(num_groups)
    fold_N = (order_G % min(folds, num_groups))[group_N]
    predicted_N, value_hat_N, error_N = (np.empty(len(value_N)) for _ in range(3))
    for fold in range(fold_N.max() + 1):
        held_out = fold_N == fold
        model = make().fit(feature_NF[~held_out], value_N[~held_out])
        prediction = model.predict(feature_NF[held_out])
        predicted_N[held_out], value_hat_N[held_out] = prediction.score_M, prediction.value_M
        error_N[held_out] = np.abs(model.scores(value_N[held_out]) - prediction.score_M) / prediction.spread_M
    return HeldOut(predicted_N, value_hat_N, error_N)


def judge(
    held_out: Mapping[Name, HeldOut], value_N: Floats, group_N: NDArray[np.int64], *, seed: int = 0
) -> tuple[Name, CrossValidation]:
    """The regressor that ranks what it has not seen best, and how well that is, from the observations alone.

    The best of several looks better than it is: tau is lower than what was measured by the mean lead that
    the best of a resampling has over the same one on all observations (bootstrap bias correction, Tsamardinos
    et al. 2018). The interval is a bootstrap over networks; with few of them it is wide, and says so. The
    margin is the conformal quantile of errors in units of the predicted spread, over all held-out
    observations.
    """
    members = [np.flatnonzero(group_N == group) for group in range(int(group_N.max()) + 1)]
    draws = np.random.default_rng(seed).integers(len(members), size=(BOOTSTRAPS, len(members)))
    samples = [np.concatenate([members[group] for group in draw]) for draw in draws]
    tau_of = {name: rank_correlation(held.predicted_N, value_N) for name, held in held_out.items()}
    taus_of = {
        name: resampled_correlations(held.predicted_N, value_N, samples) for name, held in held_out.items()
    }
    best = max(tau_of, key=lambda name: tau_of[name])
    lead_B = [
        max((taus[number], taus[number] - tau_of[name]) for name, taus in taus_of.items())[1]
        for number in range(BOOTSTRAPS)
    ]
    tau = tau_of[best] - (max(0.0, float(np.mean(lead_B))) if len(held_out) > 1 else 0.0)
    low, high = np.quantile(taus_of[best], [0.05, 0.95]) - tau_of[best]
    wider = _widening(len(members))
    error_N = held_out[best].error_N
    place = min(len(error_N), ceil(COVERAGE * (len(error_N) + 1)))
    return best, CrossValidation(
        tau,
        max(-1.0, tau + wider * min(0.0, float(low))),
        min(1.0, tau + wider * max(0.0, float(high))),
        float(np.sort(error_N)[place - 1]),
        tuple(zip(value_N.tolist(), held_out[best].value_N.tolist(), strict=True)),
    )


def _widening(networks: int) -> float:
    """Resampling few networks shows too little of how much others would differ, as a variance divided by n
    instead of n - 1 does. With values of chance, this leaves zero outside of one interval in fifteen.
    """
    return float(np.sqrt(networks / max(1, networks - _LOST_FREEDOM)))


def cross_validate_with(
    make: Callable[[], Regressor], feature_NF: Floats, value_N: Floats, *, folds: int = 5, seed: int = 0
) -> CrossValidation:
    """How well a kind of regressor ranks what it has not seen, each observation being of another network."""
    group_N = np.arange(len(value_N))
    held = hold_out(make, feature_NF, value_N, group_N, folds=folds, seed=seed)
    return judge({"": held}, value_N, group_N, seed=seed)[1]
