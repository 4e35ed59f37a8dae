"""The catalogue: reads cards, never weights; one bad folder hides only itself."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from service.errors import InvalidInput, UnknownModel
from service.models.catalog import SHIPPED_MODELS, find_card, list_cards, model_folders


def make_model(parent: Path, name: str, weights: bytes = b"weights", **card: Any) -> Path:
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"format": "x"}')
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "card.json").write_text(
        json.dumps({"kind": "ghn", "name": "ignored", "dataset": "cifar10", **card})
    )
    return folder


def test_cards_are_listed_by_name(tmp_path: Path) -> None:
    make_model(
        tmp_path, "b", num_classes=10, scores={"id-test": {"mean": 31.0}}, training={"steps": 7}, extra=1
    )
    make_model(tmp_path, "a", kind="predictor", dataset=None)
    cards = list_cards([tmp_path])
    assert [(card.name, card.kind) for card in cards] == [("a", "predictor"), ("b", "ghn")]
    assert cards[1].num_classes == 10
    assert cards[1].path == tmp_path / "b"
    dumped = cards[1].model_dump(mode="json")
    assert "path" not in dumped
    assert dumped["scores"] == {"id-test": {"mean": 31.0}}


def test_the_digest_is_that_of_configuration_and_weights(tmp_path: Path) -> None:
    first = make_model(tmp_path / "1", "m")
    make_model(tmp_path / "2", "m", description="another text")
    make_model(tmp_path / "3", "m", weights=b"others")
    digests = [find_card("m", [tmp_path / part]).digest for part in "123"]
    assert digests[0] == digests[1] != digests[2]
    assert len(digests[0]) == 64
    (first / "weights.safetensors").write_bytes(b"changed")
    os.utime(first / "weights.safetensors", ns=(1, 1))
    assert find_card("m", [tmp_path / "1"]).digest != digests[0]


def test_a_users_model_hides_a_shipped_one(tmp_path: Path) -> None:
    make_model(tmp_path / "shipped", "m", description="shipped")
    make_model(tmp_path / "mine", "m", description="mine")
    assert find_card("m", [tmp_path / "shipped", tmp_path / "mine"]).description == "mine"


def test_a_card_says_that_it_hides_a_shipped_one(tmp_path: Path) -> None:
    make_model(tmp_path, "ghn2-cifar10")
    make_model(tmp_path, "m")
    own = [card for card in list_cards([SHIPPED_MODELS, tmp_path]) if not card.shipped]
    assert [(card.name, card.hides_shipped) for card in own] == [("ghn2-cifar10", True), ("m", False)]
    assert not find_card("ghn2-cifar10", [SHIPPED_MODELS]).hides_shipped


def test_an_unknown_model_gets_the_known_ones(tmp_path: Path) -> None:
    make_model(tmp_path, "ghn2-cifar10")
    with pytest.raises(UnknownModel) as caught:
        find_card("ghn2-cifar", [tmp_path])
    assert caught.value.extra["available"] == ["ghn2-cifar10"]
    assert "ghn2-cifar10" in caught.value.extra["hint"]
    for name in ("", "..", "ghn2-cifar10/../ghn2-cifar10", "x" * 10_000):
        with pytest.raises(UnknownModel):
            find_card(name, [tmp_path])


@pytest.mark.parametrize("card", ["", "[]", "{}", '{"kind": "tree"}', "[" * 100_000])
def test_a_bad_card_hides_only_itself(tmp_path: Path, card: str, caplog: pytest.LogCaptureFixture) -> None:
    make_model(tmp_path, "good")
    (make_model(tmp_path, "bad") / "card.json").write_text(card)
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        assert [found.name for found in list_cards([tmp_path, tmp_path / "missing"])] == ["good"]
    assert "bad" in [record.__dict__.get("model") for record in caplog.records]
    with pytest.raises(InvalidInput, match="bad"):
        find_card("bad", [tmp_path])


def test_models_of_the_user_are_under_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.settings import get_settings

    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path))
    get_settings.cache_clear()
    try:
        make_model(tmp_path / "models", "mine")
        assert model_folders()[-1] == tmp_path / "models"
        assert find_card("mine").name == "mine"
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
