"""Ranking documents of all formats, with and without observations."""

from __future__ import annotations

import itertools
import json
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.errors import InvalidArchitecture, InvalidInput, InvalidRequest, UnknownModel
from service.graph_io.read import read_document
from service.predictors.features.architectures import feature_names, features_of, view_of
from service.predictors.features.network_cost import multiply_adds
from service.predictors.rankers.fitted import FittedPredictor, load_predictor, observe, save_predictor
from service.predictors.rankers.pretrained import LinearModel, ranker_features, save_ranker
from service.predictors.rankers.ranking import Candidate, find_ranker, rank
from service.settings import get_settings

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
LAYERS = [
    {"name": "x", "op": "input"},
    {
        "name": "conv",
        "op": "conv",
        "inputs": ["x"],
        "params": {"weight": {"name": "w", "shape": [8, 3, 3, 3]}},
        "attrs": {"padding": [1, 1], "stride": 2},
    },
    {"name": "pool", "op": "global_avg_pool", "inputs": ["conv"], "attrs": {"keepdims": False}},
    {
        "name": "fc",
        "op": "linear",
        "inputs": ["pool"],
        "params": {"weight": {"name": "f", "shape": [10, 8]}},
    },
]
GRAPH: dict[str, Any] = {"format": "graph", "name": "small", "input_shape": [3, 8, 8], "nodes": LAYERS}
NASBENCH101 = {"format": "nasbench101", "matrix": "110101", "ops": "I3MO"}


def cell(*operations: str) -> dict[str, str]:
    texts = [
        f"{operation}~{source}" for operation, source in zip(operations, (0, 0, 1, 0, 1, 2), strict=True)
    ]
    return {
        "format": "nasbench201",
        "cell": f"|{texts[0]}|+|{texts[1]}|{texts[2]}|+|{texts[3]}|{texts[4]}|{texts[5]}|",
    }


def some_cells(count: int, seed: int = 0) -> list[dict[str, str]]:
    every = list(itertools.product(OPERATIONS, repeat=6))
    chosen = np.random.default_rng(seed).permutation(len(every))[:count]
    return [cell(*every[index]) for index in chosen]


def worth(document: dict[str, str]) -> float:
    """Made-up accuracies: convolutions help, pools harm."""
    text = document["cell"]
    return 50 + 4 * text.count("3x3~") + text.count("1x1") - 6 * text.count("pool")


def candidates(documents: list[Any]) -> list[Candidate]:
    return [Candidate(index, document) for index, document in enumerate(documents)]


def observations(documents: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [{"architecture": document, "value": worth(document)} for document in documents]


def test_multiply_adds_by_hand() -> None:
    # 8 x 3 x 3 x 3 weights at 4 x 4 positions, then 80 at one.
    assert multiply_adds(read_document(GRAPH)) == 8 * 27 * 16 + 80


def test_structure_ranks_by_cost() -> None:
    documents = [
        cell(*["nor_conv_1x1"] * 6),
        cell(*["nor_conv_3x3"] * 6),
        {**cell(*["nor_conv_1x1"] * 6), "channels": 32},
        NASBENCH101,
        GRAPH,
        {"format": "nasbench201", "cell": "|nor_conv_9x9~0|"},
        cell(*["none"] * 6),
        "nonsense",
        InvalidInput("This line is not JSON."),
    ]
    answer = rank(candidates(documents), find_ranker("structure", "accuracy")).as_json()
    assert (answer["property"], answer["predictor"]) == ("accuracy", "structure")
    assert "training-free" in answer["note"].lower()
    assert [row["rank"] for row in answer["ranking"]] == [1, 2, 3, 4, 5]
    assert [row["index"] for row in answer["ranking"]] == [3, 1, 2, 0, 4]
    assert answer["ranking"][-1]["name"] == "small"
    for row in answer["ranking"]:
        expected = log10(multiply_adds(read_document(documents[row["index"]])))
        assert row["score"] == pytest.approx(expected, abs=1e-5)
    assert [row["index"] for row in answer["skipped"]] == [5, 6, 7, 8]
    assert all(row["reason"] and row["problem"]["status"] >= 400 for row in answer["skipped"])
    json.dumps(answer, allow_nan=False)


def test_the_default_needs_no_observations() -> None:
    documents = [
        cell(*["skip_connect"] * 6),
        cell(*["avg_pool_3x3"] * 6),
        cell(*["nor_conv_3x3"] * 6),
        NASBENCH101,
        GRAPH,
        cell(*["none"] * 6),
    ]
    answer = rank(candidates(documents), find_ranker(None, None)).as_json()
    assert (answer["property"], answer["predictor"]) == ("accuracy", "ranker")
    assert "NAS-Bench-201" in answer["note"]
    assert [row["index"] for row in answer["skipped"]] == [5]
    place = {row["index"]: row["rank"] for row in answer["ranking"]}
    assert place[2] < place[0] < place[1]  # convolutions before nothing, nothing before pools
    assert find_ranker("ranker", None).features(GRAPH) == ranker_features(read_document(GRAPH))
    with pytest.raises(InvalidRequest, match="accuracy"):
        find_ranker(None, "energy")


@pytest.mark.parametrize("wanted", ["robustness", "latency", "convergence"])
def test_other_properties_have_predictors_of_their_own(wanted: str) -> None:
    heavy, light = cell(*["nor_conv_3x3"] * 6), cell(*["skip_connect"] * 6)
    ranker = find_ranker(None, wanted)
    answer = rank(candidates([light, heavy, GRAPH]), ranker, order="ascending").as_json()
    assert answer["property"] == wanted and answer["predictor"].endswith(("-cpu", wanted))
    assert "Kendall's tau" in answer["note"]
    found = {row["index"]: row for row in answer["ranking"]}
    assert all(row["interval"][0] <= row["value"] <= row["interval"][1] for row in found.values())
    if wanted == "latency":
        assert found[1]["value"] > 2 * found[0]["value"] > 0


def test_a_linear_ranker_is_saved_and_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path))
    get_settings.cache_clear()
    size_alone = LinearModel(np.array([-1.0, 0, 0, 0]), np.zeros(4), np.ones(4))
    folder = tmp_path / "models" / "smallest"
    save_ranker(folder, size_alone, {"kind": "predictor", "scores": {"note": "Small is beautiful."}})
    ranker = find_ranker("smallest", "accuracy")
    answer = rank(candidates([cell(*["nor_conv_3x3"] * 6), GRAPH]), ranker).as_json()
    assert answer["note"] == "Small is beautiful."
    assert [row["index"] for row in answer["ranking"]] == [1, 0]
    operations = multiply_adds(read_document(GRAPH))
    assert answer["ranking"][0]["score"] == pytest.approx(-log10(1 + operations), abs=1e-5)
    with pytest.raises(InvalidInput, match="not a readable predictor"):
        load_predictor("smallest")  # it has no observations
    config = folder / "config.json"
    config.write_text(config.read_text().replace("log_dense_layers", "other"))
    with pytest.raises(InvalidInput, match="another version"):
        find_ranker("smallest", None)
    get_settings.cache_clear()


def test_order_and_top_k() -> None:
    documents = [cell(*[name] * 6) for name in ("nor_conv_1x1", "nor_conv_3x3", "skip_connect")]
    ranker = find_ranker("structure", None)
    assert [row.index for row in rank(candidates(documents), ranker, top_k=2).ranking] == [1, 0]
    cheapest = rank(candidates(documents), ranker, top_k=1, order="ascending").as_json()
    assert [row["index"] for row in cheapest["ranking"]] == [2]


def test_observations_make_a_predictor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path))
    get_settings.cache_clear()
    documents = some_cells(140)
    predictor = FittedPredictor("mine", "accuracy", observe(observations(documents[:40])))
    score = predictor.cross_validate()
    assert score.low <= score.tau <= score.high
    save_predictor(tmp_path / "models" / "mine", predictor, score)

    ranker = find_ranker("mine", "accuracy")
    answer = rank(candidates([*documents[40:], GRAPH]), ranker).as_json()
    best = [worth(documents[40 + row["index"]]) for row in answer["ranking"]]
    assert np.corrcoef(best, range(100))[0, 1] < -0.6
    assert [row["index"] for row in answer["skipped"]] == [100]
    row = answer["ranking"][0]
    assert row["interval"][0] <= row["value"] <= row["interval"][1]
    # The folder gives the same predictor again, intervals included.
    features = [predictor.features(document) for document in documents[40:60]]
    again = load_predictor("mine").regressor.predict(np.array(features))
    np.testing.assert_array_equal(again.score_M, predictor.regressor.predict(np.array(features)).score_M)

    with pytest.raises(InvalidRequest, match="accuracy"):
        find_ranker("mine", "latency")
    with pytest.raises(UnknownModel):
        find_ranker("other", None)
    config = tmp_path / "models" / "mine" / "config.json"
    config.write_text(config.read_text().replace('"connected"', '"other"'))
    with pytest.raises(InvalidInput, match="another version"):
        load_predictor("mine")
    config.write_text("[]")
    with pytest.raises(InvalidInput, match="not a readable predictor"):
        load_predictor("mine")
    get_settings.cache_clear()


def test_formats_are_ranked_together() -> None:
    mixed = [*some_cells(6, seed=3), NASBENCH101, GRAPH]
    mixed = [document for document in mixed if "cell" not in document or "conv_3x3" in document["cell"]]
    assert view_of(mixed) == "network"
    readable = [cell(*["nor_conv_3x3"] * 6), cell(*["skip_connect"] * 6), NASBENCH101, GRAPH]
    items = [{"architecture": document, "value": value} for value, document in enumerate(readable * 3)]
    seen = observe(items)
    assert seen.formats == ("graph", "nasbench101", "nasbench201")
    assert seen.feature_NF.shape == (12, len(feature_names("network")))
    assert np.isfinite(seen.feature_NF).all()


def test_a_cell_with_options_is_a_network() -> None:
    bare = cell(*["nor_conv_3x3"] * 6)
    assert view_of([bare, {**bare, "name": "a"}]) == "cell"
    assert view_of([bare, {**bare, "channels": 8}]) == "network"
    assert view_of([bare, NASBENCH101]) == "network"
    with pytest.raises(InvalidArchitecture):
        features_of({**bare, "channels": 8}, "cell")


def test_bad_observations_are_refused_by_number() -> None:
    good = observations(some_cells(10))
    with pytest.raises(InvalidRequest, match="observations"):
        observe(good[:3])
    with pytest.raises(InvalidArchitecture) as refused:
        observe([*good, {"architecture": {"format": "nasbench201", "cell": "?"}, "value": 1}])
    assert refused.value.extra["observation"] == 10
    for item in ({"architecture": good[0]["architecture"]}, {**good[0], "value": "high"}, 7):
        with pytest.raises(InvalidArchitecture, match="observations/10"):
            observe([*good, item])
