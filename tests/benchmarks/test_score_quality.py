"""How a benchmark says how well a score orders networks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr

from benchmarks.score_quality import pearson, quality


def test_values_are_scipys_and_intervals_hold_them() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=60)
    score = truth + random.normal(size=60)
    found = quality(score, truth)
    best = truth > np.median(truth)
    assert found.pearson.value == pytest.approx(pearsonr(score, truth).statistic)
    assert found.best_half.value == pytest.approx(pearsonr(score[best], truth[best]).statistic)
    assert found.kendall.value == pytest.approx(kendalltau(score, truth).statistic)
    for estimate in (found.pearson, found.best_half, found.kendall):
        assert estimate.low < estimate.value < estimate.high
    # Of normal errors, Fisher's z gives the interval in closed form.
    z, error = np.arctanh(found.pearson.value), 1.645 / np.sqrt(57)
    assert found.pearson.low == pytest.approx(np.tanh(z - error), abs=0.08)
    assert found.pearson.high == pytest.approx(np.tanh(z + error), abs=0.08)


def test_what_is_constant_orders_nothing() -> None:
    assert pearson(np.ones(5), np.arange(5.0)) == 0.0
