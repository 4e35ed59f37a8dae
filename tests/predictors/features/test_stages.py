"""Widths and depths, stage by stage."""

from __future__ import annotations

import json
from math import log1p
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from service.errors import InvalidInput
from service.graph_io.read import read_document
from service.predictors.features.architectures import feature_names
from service.predictors.features.network_cost import multiply_adds, operations
from service.predictors.features.stages import STAGE_FEATURES, STAGES, stage_features
from service.predictors.rankers.fitted import FittedPredictor, load_predictor, observe, save_predictor
from service.predictors.regressors.scores import CrossValidation, rank_correlation
from service.search.space import find_space
from service.settings import get_settings


def stages(document: dict[str, Any]) -> dict[str, float]:
    graph = read_document(document)
    return dict(zip(STAGE_FEATURES, stage_features(operations(graph), graph.input_shape), strict=True))


def test_every_width_is_seen_where_it_stands() -> None:
    found = stages({"format": "nats_size", "sizes": [8, 16, 24, 32, 40]})
    assert found["stage_0_log_first_width"] == found["stage_0_log_last_width"] == log1p(8)
    assert (found["stage_1_log_first_width"], found["stage_1_log_last_width"]) == (log1p(16), log1p(24))
    assert (found["stage_2_log_first_width"], found["stage_2_log_last_width"]) == (log1p(32), log1p(40))
    assert not any(
        value for name, value in found.items() if name.startswith(("stage_3", "stage_4", "stage_5"))
    )


def test_the_work_of_all_stages_is_that_of_the_convolutions() -> None:
    document = {"format": "nasbench_macro", "code": "12012012"}
    found = stages(document)
    work = sum(10 ** found[f"stage_{number}_log_multiply_adds"] - 1 for number in range(STAGES))
    classifier = 1280 * 10
    assert work == pytest.approx(multiply_adds(read_document(document)) - classifier, rel=1e-9)


def test_a_network_of_unknown_input_has_none() -> None:
    graph = read_document({"format": "nats_size", "sizes": [8, 8, 8, 8, 8]})
    assert not any(stage_features(operations(graph), ()))


def test_widths_are_ranked_by_where_they_stand() -> None:
    """Late widths are worth more than early ones: sums over the network do not say which are which."""
    space, random = find_space("nats_size"), Random(0)
    documents = list({space.key(d): d for d in (space.sample(random) for _ in range(110))}.values())
    worth = [sum(place * np.log(width) for place, width in enumerate(d["sizes"], 1)) for d in documents]
    items = [{"architecture": d, "value": value} for d, value in zip(documents, worth, strict=True)]
    predictor = FittedPredictor("widths", "accuracy", observe(items[:50]))
    rows = np.array([predictor.features(document) for document in documents[50:]])
    assert rank_correlation(predictor.regressor.predict(rows).score_M, np.array(worth[50:])) > 0.85


def test_a_predictor_of_fewer_features_still_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path))
    get_settings.cache_clear()
    space, random = find_space("nasbench_macro"), Random(0)
    documents = [space.sample(random) for _ in range(12)]
    items = [{"architecture": document, "value": 1.0 + place} for place, document in enumerate(documents)]
    seen = observe(items)
    names = feature_names("network")
    old = [index for index, name in enumerate(names) if name not in STAGE_FEATURES]
    folder = tmp_path / "models" / "old"
    save_predictor(folder, FittedPredictor("old", "accuracy", seen), CrossValidation(0.5, 0.4, 0.6))
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "weights.safetensors")
    save_file(
        {**tensors, "feature_NF": np.ascontiguousarray(tensors["feature_NF"][:, old])},
        folder / "weights.safetensors",
    )
    config = json.loads((folder / "config.json").read_text())
    config["features"] = [names[index] for index in old]
    (folder / "config.json").write_text(json.dumps(config))
    loaded = load_predictor("old")
    np.testing.assert_array_equal(loaded.features(documents[0]), loaded.observations.feature_NF[0])
    assert loaded.observations.columns.counts == len(old)
    config["features"][0] = "unheard_of"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidInput, match="another version"):
        load_predictor("old")
    get_settings.cache_clear()
