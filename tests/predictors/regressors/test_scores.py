"""Rank correlations of resampled observations."""

from __future__ import annotations

import numpy as np
import pytest

from service.predictors.regressors import scores
from service.predictors.regressors.scores import rank_correlation, resampled_correlations


@pytest.mark.parametrize("most_in_pairs", [1000, 0])
def test_a_sample_has_the_correlation_of_what_was_drawn(
    most_in_pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By either way: by pairs, and by sorting each sample."""
    monkeypatch.setattr(scores, "_MOST_IN_PAIRS", most_in_pairs)
    random = np.random.default_rng(0)
    predicted, values = random.integers(0, 9, 30).astype(float), random.integers(0, 4, 30).astype(float)
    # Of different sizes, as networks were observed more or less often; one value alone has no order.
    samples = [random.integers(30, size=size) for size in (7, 30, 55)] + [np.array([4, 4, 4])]
    found = resampled_correlations(predicted, values, samples)
    wanted = [rank_correlation(predicted[sample], values[sample]) for sample in samples]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert found[3] == 0 and found[1] != 0
