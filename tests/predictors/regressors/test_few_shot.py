"""The few-shot regressor on a small made-up problem."""

from __future__ import annotations

import numpy as np
import pytest

from service.errors import InvalidRequest
from service.predictors.regressors.few_shot import (
    FewShotRegressor,
    cross_validate,
    normal_scores,
    rank_correlation,
)


def problem(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Values that a few features decide, with a long lower tail as accuracies have."""
    generator = np.random.default_rng(seed)
    features = generator.integers(0, 5, size=(count, 6)).astype(float)
    quality = features[:, 0] + 2 * np.sqrt(features[:, 1]) - 0.5 * features[:, 2]
    return features, 94 - 20 * np.exp(-quality) + 0.05 * generator.standard_normal(count)


def test_it_ranks_what_it_has_not_seen() -> None:
    features, values = problem(400)
    model = FewShotRegressor(num_trees=60).fit(features[:60], values[:60])
    prediction = model.predict(features[60:])
    assert rank_correlation(prediction.score_M, values[60:]) > 0.75
    assert (prediction.low_M <= prediction.value_M).all()
    assert (prediction.value_M <= prediction.high_M).all()
    assert values[:60].min() <= prediction.value_M.min()
    assert prediction.value_M.max() <= values[:60].max()


def test_it_is_deterministic_and_sees_rows_alone() -> None:
    features, values = problem(80)
    models = [FewShotRegressor(seed=3, num_trees=20).fit(features[:40], values[:40]) for _ in range(2)]
    first, second = (model.predict(features[40:]).score_M for model in models)
    np.testing.assert_array_equal(first, second)
    # A prediction does not depend on what else is asked for.
    alone = np.concatenate([models[0].predict(features[i : i + 1]).score_M for i in range(40, 50)])
    np.testing.assert_allclose(alone, first[:10], atol=1e-9)


def test_a_monotone_change_of_the_values_hardly_changes_the_order() -> None:
    features, values = problem(120)
    model = FewShotRegressor(num_trees=60)
    plain = model.fit(features[:60], values[:60]).predict(features[60:]).score_M
    bent = model.fit(features[:60], np.exp(values[:60] / 10)).predict(features[60:]).score_M
    assert rank_correlation(plain, bent) > 0.9


@pytest.mark.parametrize("values", [np.ones(8), np.array([1.0, 1, 1, 1, 1, 1, 1, 2])])
def test_values_without_an_order_are_no_failure(values: np.ndarray) -> None:
    features, _ = problem(8)
    prediction = FewShotRegressor(num_trees=10).fit(features, values).predict(features)
    assert np.isfinite(prediction.score_M).all()
    constant = FewShotRegressor(num_trees=10).fit(np.zeros((8, 6)), values).predict(features)
    assert np.isfinite(constant.score_M).all()


def test_bad_observations_are_refused() -> None:
    features, values = problem(10)
    with pytest.raises(InvalidRequest, match="too few"):
        FewShotRegressor().fit(features[:4], values[:4])
    values[3] = np.nan
    with pytest.raises(InvalidRequest, match="finite"):
        FewShotRegressor().fit(features, values)


def test_cross_validation_says_how_sure_it_is() -> None:
    features, values = problem(60)
    few = cross_validate(features[:12], values[:12])
    many = cross_validate(features, values)
    assert few.low <= few.tau <= few.high
    assert many.high - many.low < few.high - few.low
    assert many.tau > 0.5
    noise = np.random.default_rng(0).standard_normal(60)
    assert cross_validate(features, noise).low < 0.2


def test_normal_scores_are_ranks() -> None:
    scores = normal_scores(np.array([5.0, 1.0, 3.0, 3.0]))
    assert scores[0] == scores.max()
    assert scores[2] == scores[3]
    assert scores.sum() == pytest.approx(0, abs=1e-9)
    assert rank_correlation(np.ones(4), scores) == 0.0
