"""How well a score orders networks, as the GHN-1 paper measures it (section 5.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.predictors.regressors.scores import rank_correlation

Floats = NDArray[np.float64]
_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """low, high: 90%, by resampling the networks."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Quality:
    """pearson: R with the truth over all networks. best_half: over those whose truth is above the median.
    kendall: tau over all.
    """

    pearson: Estimate
    best_half: Estimate
    kendall: Estimate

    def cells(self) -> str:
        return f"{self.pearson} | {self.best_half} | {self.kendall}"


def quality(score_N: Floats, truth_N: Floats, *, seed: int = 0) -> Quality:
    """Of N networks, four or more; higher scores are better ones."""
    best = truth_N > np.median(truth_N)
    return Quality(
        pearson=_estimate(pearson, score_N, truth_N, seed),
        best_half=_estimate(pearson, score_N[best], truth_N[best], seed),
        kendall=_estimate(rank_correlation, score_N, truth_N, seed),
    )


def pearson(one_N: Floats, other_N: Floats) -> float:
    """0 where one of them is constant: it orders nothing."""
    if np.ptp(one_N) == 0 or np.ptp(other_N) == 0:
        return 0.0
    return float(np.corrcoef(one_N, other_N)[0, 1])


def _estimate(
    measure: Callable[[Floats, Floats], float], score_N: Floats, truth_N: Floats, seed: int
) -> Estimate:
    random = np.random.default_rng(seed)
    drawn = [random.integers(len(score_N), size=len(score_N)) for _ in range(_RESAMPLES)]
    low, high = np.quantile([measure(score_N[rows], truth_N[rows]) for rows in drawn], [0.05, 0.95])
    return Estimate(measure(score_N, truth_N), float(low), float(high))
