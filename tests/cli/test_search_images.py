"""`weightcast search` by generated weights, with the training of what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from service.predictors.smash.checkpoint import save_checkpoint
from service.predictors.smash.config import SmashConfig
from service.predictors.smash.model import Smash
from tests.cli.conftest import Run

SEARCH = ("search", "--space", "smash", "--predictor", "smash:little", "--evaluations", "4")


@pytest.fixture(autouse=True)
def little(model_home: Path) -> None:
    torch.manual_seed(0)
    config = SmashConfig(blocks=1, banks=1, layers=2, unit=4, hidden=4, depth=1)
    card = {"name": "little", "kind": "smash", "training": {"image_size": 8}}
    save_checkpoint(model_home / "models" / "little", Smash(config), card)


def test_search_train_and_compare(run: Run) -> None:
    on_digits = ("--data", "digits", "--images", "64", "--train", "2", "--train-epochs", "1")
    found = run(*SEARCH, *on_digits, "--json")
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    assert answer["predictor"] == "smash:little"
    assert len(answer["trained"]["best"]["values"]) == len(answer["trained"]["random"]["values"]) == 2
    shown = run(*SEARCH, *on_digits)
    assert "after 1 epochs of training" in shown.stdout
    assert "random ones" in shown.stdout


def test_images_are_needed(run: Run) -> None:
    assert run(*SEARCH).exit_code == 2
    assert run("search", "--space", "nasbench201", "--evaluations", "3", "--data", "digits").exit_code == 2
