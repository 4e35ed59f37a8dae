"""Publishing, replacing, describing and removing the models of a user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.errors import Conflict, InvalidRequest, UnknownModel
from service.models.catalog import SHIPPED_MODELS, find_card, list_cards
from service.models.changes import LONGEST_DESCRIPTION, describe_model, remove_model
from service.models.publish import check_free, publish

SHIPPED = "ghn2-cifar10"


def made(folder: Path, weights: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "weights.safetensors").write_text(weights)
    (folder / "card.json").write_text(json.dumps({"name": "mine", "kind": "predictor", "scores": {"tau": 1}}))
    return folder


def names(models: Path) -> list[str]:
    return [card.name for card in list_cards((models,))]


def test_a_model_is_replaced_only_when_that_is_said(tmp_path: Path) -> None:
    models, first, second = tmp_path / "models", made(tmp_path / "1", "one"), made(tmp_path / "2", "two")
    check_free("mine", models)
    publish(first, models / "mine")
    digest = find_card("mine", (models,)).digest
    with pytest.raises(Conflict, match="already"):
        check_free("mine", models)
    with pytest.raises(Conflict):
        publish(second, models / "mine")
    assert find_card("mine", (models,)).digest == digest
    check_free("mine", models, replace=True)
    publish(second, models / "mine", replace=True)
    assert find_card("mine", (models,)).digest != digest
    assert [path.name for path in models.iterdir()] == ["mine"] and second.is_dir()


def test_what_is_being_written_is_no_model(tmp_path: Path) -> None:
    made(tmp_path / "models" / ".mine.1.new", "one")
    assert names(tmp_path / "models") == []


def test_a_description_keeps_the_rest_of_the_card(tmp_path: Path) -> None:
    models = tmp_path / "models"
    made(models / "mine", "one")
    before = find_card("mine", (models,))
    card = describe_model(models, "mine", "  for the night shift ")
    assert card == before.model_copy(update={"description": "for the night shift"})
    assert find_card("mine", (models,)) == card and card.scores == {"tau": 1}
    with pytest.raises(InvalidRequest):
        describe_model(models, "mine", "x" * (LONGEST_DESCRIPTION + 1))


def test_a_model_that_is_removed_is_gone(tmp_path: Path) -> None:
    models = tmp_path / "models"
    made(models / "mine", "one")
    remove_model(models, "mine")
    assert names(models) == [] and list(models.iterdir()) == []
    with pytest.raises(UnknownModel):
        remove_model(models, "mine")


def test_models_of_the_package_stay(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="part of the package"):
        remove_model(tmp_path, SHIPPED)
    with pytest.raises(Conflict, match="part of the package"):
        describe_model(tmp_path, SHIPPED, "mine")
    with pytest.raises(Conflict):
        check_free(SHIPPED, tmp_path, replace=True)
    assert (SHIPPED_MODELS / SHIPPED).is_dir()
    # One of the user's own that hides it can be removed, and then it shows again.
    made(tmp_path / SHIPPED, "one")
    remove_model(tmp_path, SHIPPED)
    assert find_card(SHIPPED, (SHIPPED_MODELS, tmp_path)).path.parent == SHIPPED_MODELS
