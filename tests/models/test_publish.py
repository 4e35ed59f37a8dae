"""A model appears in the catalogue whole, and never in the place of another unless that is meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.errors import Conflict
from service.models.catalog import list_cards
from service.models.publish import publish, write_model_folder


def trained(folder: Path, kind: str = "ghn") -> Path:
    def save(path: Path) -> None:
        path.write_bytes(b"weights")

    write_model_folder(folder, save, {"format": "x"}, {"kind": kind})
    return folder


def kinds(models: Path) -> dict[str, str]:
    return {card.name: card.kind for card in list_cards([models])}


def test_a_model_is_published_once(tmp_path: Path) -> None:
    models = tmp_path / "home" / "models"
    publish(trained(tmp_path / "run"), models / "mine")
    assert kinds(models) == {"mine": "ghn"}
    with pytest.raises(Conflict, match="mine"):
        publish(trained(tmp_path / "other", "smash"), models / "mine")
    assert kinds(models) == {"mine": "ghn"} and os.listdir(models) == ["mine"]


def test_a_model_takes_the_place_of_another_where_that_is_meant(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for kind in ("ghn", "smash"):
        publish(trained(tmp_path / kind, kind), models / "mine", replace=True)
    assert kinds(models) == {"mine": "smash"} and os.listdir(models) == ["mine"]


def test_without_a_model_nothing_is_lost(tmp_path: Path) -> None:
    models = tmp_path / "models"
    publish(trained(tmp_path / "run"), models / "mine")
    with pytest.raises(FileNotFoundError):
        publish(tmp_path / "none", models / "mine", replace=True)
    assert kinds(models) == {"mine": "ghn"} and os.listdir(models) == ["mine"]


def test_what_is_half_published_is_no_model(tmp_path: Path) -> None:
    trained(tmp_path / ".mine.1.new")
    assert kinds(tmp_path) == {}
