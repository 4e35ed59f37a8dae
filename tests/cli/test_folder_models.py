"""Models that were trained on a folder of images: evaluate finds it again, or says what to give."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from service.ghn.checkpoint import save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.settings import get_settings
from tests.cli.conftest import Run, problems
from tests.training.data.image_files import write_images

EVALUATE = ("evaluate", "--split", "train", "-n", "1", "--images", "8", "--processes", "1")


@pytest.fixture
def photos(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images, and the model `photos` that says it was trained on it."""
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / "own"))
    get_settings.cache_clear()
    folder = write_images(tmp_path / "photos", {"cat": 12, "dog": 12})
    card = {
        "name": "photos", "kind": "ghn", "dataset": "photos", "num_classes": 2,
        "classes": ["cat", "dog"], "data_path": str(folder),
    }  # fmt: skip
    ghn = GHN(GHNConfig(hidden=8, max_channels=16, max_kernel=3, num_classes=2))
    save_checkpoint(tmp_path / "own" / "models" / "photos", ghn, card)
    return folder


def test_evaluate_finds_the_folder_or_asks_for_it(run: Run, photos: Path) -> None:
    result = run(*EVALUATE, "--model", "photos")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("photos: 2 classes, 24 images")
    assert "photos on 1 network of train, 2 images of photos: " in result.stdout and "±" not in result.stdout
    moved = photos.rename(photos.with_name("elsewhere"))
    gone = run(*EVALUATE, "--model", "photos")
    assert gone.exit_code == 3 and f"{photos}, which is not there" in problems(gone)[0]["detail"]
    assert "--data" in problems(gone)[0]["hint"]
    report = json.loads(run(*EVALUATE, "--model", "photos", "--data", "elsewhere", "--json").stdout)
    assert report["data"] == "elsewhere" and report["stderr"] is None
    shutil.move(moved / "dog", moved / "wolf")
    other = run(*EVALUATE, "--model", "photos", "--data", "elsewhere")
    assert other.exit_code == 3 and "cat, dog are not cat, wolf" in problems(other)[0]["detail"]
