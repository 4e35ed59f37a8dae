"""What a network has to do, kind by kind, and prices for it."""

from __future__ import annotations

import numpy as np
import pytest

from service.errors import InvalidRequest
from service.graph_io.read import read_document
from service.predictors.features.network_cost import multiply_adds
from service.predictors.features.network_work import WORK, network_work
from service.predictors.regressors.prices import PricesRegressor
from service.predictors.regressors.scores import cross_validate_with, rank_correlation


def conv(name: str, source: str, out: int, into: int, kernel: int, **attrs: object) -> dict[str, object]:
    padding = kernel // 2
    return {
        "name": name,
        "op": "conv",
        "inputs": [source],
        "attrs": {"stride": 1, "padding": padding, **attrs},
        "params": {"weight": {"name": f"{name}.weight", "shape": [out, into, kernel, kernel]}},
    }


NETWORK = {
    "format": "graph",
    "name": "small",
    "input_shape": [3, 8, 8],
    "nodes": [
        {"name": "image", "op": "input"},
        conv("first", "image", 16, 3, 3),
        {"name": "relu", "op": "activation", "inputs": ["first"], "attrs": {"kind": "relu"}},
        conv("depthwise", "relu", 16, 1, 3, groups=16),
        conv("pointwise", "depthwise", 32, 16, 1),
        {"name": "pool", "op": "global_avg_pool", "inputs": ["pointwise"]},
        {"name": "flat", "op": "flatten", "inputs": ["pool"]},
        {
            "name": "classifier",
            "op": "linear",
            "inputs": ["flat"],
            "params": {"weight": {"name": "classifier.weight", "shape": [10, 32]}},
        },
    ],
    "outputs": ["classifier"],
}


def test_work_is_counted_by_kind() -> None:
    graph = read_document(NETWORK)
    found = dict(zip(WORK, network_work(graph), strict=True))
    assert found["multiply_adds_dense"] == 16 * 3 * 9 * 64
    assert found["multiply_adds_grouped"] == 16 * 9 * 64
    assert found["multiply_adds_dense_1x1"] == 32 * 16 * 64
    assert found["multiply_adds_linear"] == found["weights_linear"] == 320
    assert found["elements_activation"] == found["elements_grouped"] == 16 * 64
    assert (found["elements_dense_1x1"], found["elements_other"], found["elements_linear"]) == (
        32 * 64,
        32,
        10,
    )
    # The flattening does nothing, and the global pooling is the only other one.
    assert sum(value for name, value in found.items() if name.startswith("count_")) == 6
    total = sum(value for name, value in found.items() if name.startswith("multiply_adds_"))
    assert total == multiply_adds(graph)


def some_networks(count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts over four decades, and times that three of five of them take."""
    random = np.random.default_rng(seed)
    counts = 10 ** random.uniform(0, 4, (count, 1)) * random.uniform(0, 1, (count, 5))
    times = (0.5 + counts @ np.array([3.0, 1.0, 0.0, 0.2, 0.0])) * np.exp(
        0.05 * random.standard_normal(count)
    )
    return counts, times


def test_prices_hold_for_networks_larger_than_any_that_was_measured() -> None:
    counts, times = some_networks(300)
    small = times < np.quantile(times, 0.3)
    measured = cross_validate_with(PricesRegressor, counts[small], times[small])
    assert measured.tau > 0.9
    model = PricesRegressor(margin=measured.margin).fit(counts[small], times[small])
    found = model.predict(counts[~small])
    assert rank_correlation(found.score_M, times[~small]) > 0.95
    np.testing.assert_allclose(found.value_M, times[~small], rtol=0.3)
    inside = (found.low_M <= times[~small]) & (times[~small] <= found.high_M)
    assert 0.7 < inside.mean() <= 1
    assert (model.price_F >= 0).all()


def test_prices_are_of_positive_values_only() -> None:
    counts, times = some_networks(20)
    with pytest.raises(InvalidRequest, match="positive"):
        PricesRegressor().fit(counts, times - times.max())


def test_a_prediction_is_never_nothing() -> None:
    counts, times = some_networks(20)
    found = PricesRegressor().fit(counts, times).predict(np.zeros((1, 5)))
    assert 0 < found.low_M[0] <= found.value_M[0] < times.min()
