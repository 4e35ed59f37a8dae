"""The regressors on problems that each of them should win, and the choice between them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.errors import InvalidInput, InvalidRequest
from service.predictors.features.architectures import features_of, structure_size
from service.predictors.rankers.fitted import FittedPredictor, load_predictor, observe, save_predictor
from service.predictors.regressors.additive import AdditiveRegressor
from service.predictors.regressors.embedding import EmbeddingRegressor
from service.predictors.regressors.scores import (
    ScoreScale,
    cross_validate_with,
    normal_scores,
    rank_correlation,
)
from service.settings import get_settings
from tests.predictors.rankers.test_ranking import some_cells

PRICES = {"none": 0.1, "skip_connect": 0.2, "nor_conv_1x1": 1.0, "nor_conv_3x3": 3.0, "avg_pool_3x3": 1.7}


def latency(document: dict[str, str]) -> float:
    """Every operation takes its time, on a path or not."""
    return sum(price * document["cell"].count(f"{name}~") for name, price in PRICES.items())


def test_prices_are_found_from_few_measurements() -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(0, 5, size=(300, 5)).astype(float)
    values = 2 + counts @ np.array([0.1, 3.0, 1.0, 1.7, 0.2]) + 0.1 * generator.standard_normal(300)
    measured = cross_validate_with(AdditiveRegressor, counts[:40], values[:40])
    model = AdditiveRegressor(margin=measured.margin).fit(counts[:40], values[:40])
    found = model.predict(counts[40:])
    assert rank_correlation(found.score_M, values[40:]) > 0.95
    np.testing.assert_allclose(found.value_M, values[40:], atol=0.6)
    inside = (found.low_M <= values[40:]) & (values[40:] <= found.high_M)
    assert 0.8 < inside.mean() < 0.99


def test_embeddings_rank_by_what_they_hold() -> None:
    generator = np.random.default_rng(0)
    embeddings = generator.standard_normal((200, 12))
    values = np.tanh(embeddings[:, 0]) + 0.3 * embeddings[:, 1] ** 2
    model = EmbeddingRegressor().fit(embeddings[:80], values[:80])
    assert model.chosen.kind != "ridge"  # a bowl is no plane
    assert rank_correlation(model.predict(embeddings[80:]).score_M, values[80:]) > 0.5
    line = EmbeddingRegressor().fit(embeddings[:80], embeddings[:80, 0])
    assert rank_correlation(line.predict(embeddings[80:]).score_M, embeddings[80:, 0]) > 0.9
    with pytest.raises(InvalidRequest, match="too few"):
        EmbeddingRegressor().fit(embeddings[:3], values[:3])


def test_the_scale_goes_on_beyond_what_was_seen() -> None:
    values = np.arange(20.0)
    scale = ScoreScale(values)
    np.testing.assert_allclose(scale.scores(values), normal_scores(values))
    assert scale.scores(np.array([25.0]))[0] > normal_scores(values)[-1]
    found = scale.prediction(np.array([9.0]), np.array([1.0]), 1.0)
    assert found.value_M[0] == 19
    assert found.low_M[0] <= 19 < found.high_M[0]
    constant = ScoreScale(np.ones(8)).prediction(np.array([0.5]), np.array([1.0]), 1.0)
    assert constant.value_M[0] == 1


def test_what_adds_up_is_seen_from_the_values_not_from_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path))
    get_settings.cache_clear()
    documents = some_cells(60, seed=2)
    items = [{"architecture": document, "value": latency(document)} for document in documents]
    predictor = FittedPredictor("phone", "anything", observe(items[:24]))
    score = predictor.cross_validate()
    assert predictor.method == "additive"
    assert score.tau > 0.9
    rows = np.array([predictor.features(document) for document in documents[24:]])
    found = predictor.regressor.predict(rows)
    assert rank_correlation(found.score_M, np.array([item["value"] for item in items[24:]])) > 0.9
    # What the method does not look at is not worked out.
    assert not rows[:, : structure_size("cell")].any()
    whole = np.array([features_of(document, "cell") for document in documents[24:]])
    np.testing.assert_array_equal(predictor.regressor.predict(whole).score_M, found.score_M)

    save_predictor(tmp_path / "models" / "phone", predictor, score)
    again = load_predictor("phone")
    assert (again.method, again.margin) == ("additive", predictor.margin)
    np.testing.assert_array_equal(again.regressor.predict(rows).high_M, found.high_M)
    get_settings.cache_clear()


def test_a_predictor_on_embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path))
    get_settings.cache_clear()
    small: list[dict[str, Any]] = [
        {**document, "channels": 4, "cells_per_stage": 1}
        for document in some_cells(40, seed=1)
        if "conv" in document["cell"] and not document["cell"].endswith("none~0|none~1|none~2|")
    ][:12]
    items = [{"architecture": document, "value": latency(document)} for document in small]
    predictor = FittedPredictor(
        "by-embedding", "latency", observe(items, features="embedding", ghn="ghn2-cifar10")
    )
    score = predictor.cross_validate()
    assert predictor.method == "embedding"
    assert score.low <= score.tau <= score.high
    folder = tmp_path / "models" / "by-embedding"
    save_predictor(folder, predictor, score)
    row = load_predictor("by-embedding").features(small[0])
    np.testing.assert_allclose(row, predictor.observations.feature_NF[0], atol=1e-5)

    config = folder / "config.json"
    digest = predictor.observations.embedder.digest if predictor.observations.embedder else ""
    config.write_text(config.read_text().replace(digest, "0" * 64))
    with pytest.raises(InvalidInput, match="not the one"):
        load_predictor("by-embedding").features(small[0])
    get_settings.cache_clear()
