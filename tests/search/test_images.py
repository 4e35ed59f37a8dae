"""A search by generated weights and its last step: the best and random ones, trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import t, ttest_ind

from service.contract.reading import read
from service.contract.search import SearchOptions
from service.errors import InvalidRequest, UnknownModel
from service.graph_io.read import read_document
from service.predictors.rankers.ranking import Ranker, StructureRanker
from service.predictors.smash.checkpoint import save_checkpoint
from service.predictors.smash.config import SmashConfig
from service.predictors.smash.model import Smash
from service.search.answer import answer
from service.search.comparison import compared
from service.settings import get_settings
from training.data.load import load_dataset
from training.evaluate.search_images import SearchImages


@dataclass
class FakeImages:
    """Scores by multiply-adds; training gives the number of 3x3 convolutions."""

    classes: int = 7
    asked: list[str] = field(default_factory=list)
    trained: list[dict[str, Any]] = field(default_factory=list)

    def ranker(self, predictor: str) -> Ranker:
        self.asked.append(predictor)
        return StructureRanker(read_document)

    def trained_accuracy(self, document: dict[str, Any]) -> float:
        read_document(document)
        self.trained.append(document)
        return float(document["cell"].count("nor_conv_3x3"))


def options(**fields: Any) -> SearchOptions:
    least = {"space": "nasbench201", "evaluations": 60, "data": "digits", "algorithm": "random"}
    return read(SearchOptions, {**least, **fields})


def test_the_best_and_random_ones_are_trained_and_compared() -> None:
    images, known = FakeImages(), dict[str, float]()
    asked = options(predictor="predicted-weights:any", train=4, train_epochs=3)
    found = answer(asked, images=images, trained=known).as_json()
    assert images.asked == ["predicted-weights:any"]
    assert all(document["num_classes"] == 7 for document in images.trained)
    trained = found["trained"]
    assert trained["epochs"] == 3
    best = [float(entry["architecture"]["cell"].count("nor_conv_3x3")) for entry in found["best"][:4]]
    assert trained["best"]["values"] == best
    assert len(trained["random"]["values"]) == 4
    assert trained == compared(best, trained["random"]["values"], epochs=3).as_json()
    # Stopped and run again, nothing is trained twice.
    again = FakeImages()
    assert answer(asked, images=again, trained=known).as_json()["trained"] == trained
    assert again.trained == []


def test_intervals_are_those_of_student_and_welch() -> None:
    best, drawn = [3.0, 5.0, 4.0, 8.0], [1.0, 1.5, 2.0]
    found = compared(best, drawn, epochs=1).as_json()
    assert found["best"]["mean"] == 5.0
    half = t.ppf(0.95, 3) * torch.tensor(best).std().item() / 2
    assert found["best"]["interval"] == pytest.approx([5 - half, 5 + half], rel=1e-6)
    low, high = ttest_ind(best, drawn, equal_var=False).confidence_interval(0.9)
    assert found["difference"]["interval"] == pytest.approx([low, high])
    alike = compared([1.0, 1.0], [2.0, 2.0], epochs=1).difference
    assert (alike.mean, alike.interval) == (-1.0, [-1.0, -1.0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"predictor": "predicted-weights:any", "data": None},
        {"predictor": "smash:any", "data": None},
        {"train": 3, "data": None},
        {"predictor": "ranker"},
        {"predictor": "nobody:any"},
        {"train": 1},
    ],
)
def test_images_are_given_where_they_are_needed_and_nowhere_else(wrong: dict[str, Any]) -> None:
    fields = {"predictor": None, "train": None, **wrong}
    with pytest.raises(InvalidRequest):
        options(**{name: value for name, value in fields.items() if value is not None or name == "data"})


def test_what_a_predictor_needs() -> None:
    assert [use[1:3] for use in options(predictor="smash:s").models()] == [("s", "smash")]
    assert [use[1:3] for use in options(predictor="predicted-weights:g").models()] == [("g", "ghn")]


def test_a_smash_model_searches_its_own_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path))
    get_settings.cache_clear()
    try:
        torch.manual_seed(0)
        config = SmashConfig(blocks=1, banks=2, layers=2, unit=4, kernels=(3,), hidden=4, depth=1)
        card = {"name": "small", "kind": "smash", "training": {"image_size": 8}}
        save_checkpoint(tmp_path / "models" / "small", Smash(config), card)
        images = SearchImages(dataset=load_dataset("digits"), images=32, epochs=1)
        asked = options(space="smash", predictor="smash:small", evaluations=6, train=2, train_epochs=1)
        found = answer(asked, images=images).as_json()
        assert found["predictor"] == "smash:small"
        assert found["evaluations"] == 6 and found["refused"] == 0
        scores = [entry["score"] for entry in found["best"]]
        assert scores == sorted(scores, reverse=True)
        assert all(entry["architecture"]["image_size"] == 8 for entry in found["best"])
        groups = found["trained"]
        assert all(0 <= value <= 100 for name in ("best", "random") for value in groups[name]["values"])
        with pytest.raises(UnknownModel):
            answer(options(space="smash", predictor="smash:none"), images=images)
    finally:
        get_settings.cache_clear()
