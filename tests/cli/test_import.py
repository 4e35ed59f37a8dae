"""weightcast models import, of files and of the Hugging Face hub."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import numpy as np
import pytest

from service.settings import get_settings
from tests.cli.conftest import SMALL_GRAPH, Run, problems, write_json
from tests.ghn.reference_checkpoints import ghn3_state

NAME = "hf:some/ghn3/other/ghn3.pt"


@pytest.fixture(autouse=True)
def own_home(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / "own"))
    get_settings.cache_clear()


@pytest.fixture
def published(tmp_path: Path) -> Path:
    state = ghn3_state(width=16, layers=2, heads=4, most=12, size=11, classes=10, hub=True)
    joblib.dump(state, tmp_path / "ghn3.pt")
    return tmp_path / "ghn3.pt"


def hub(monkeypatch: pytest.MonkeyPatch, download: Any) -> None:
    """A stand-in for huggingface_hub."""
    module, errors = ModuleType("huggingface_hub"), ModuleType("huggingface_hub.errors")
    module.hf_hub_download = download  # type: ignore[attr-defined]
    errors.EntryNotFoundError = LookupError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", errors)


def test_a_file_of_ghn3_is_imported_and_predicts(run: Run, published: Path, tmp_path: Path) -> None:
    result = run("models", "import", "ghn3.pt", "--name", "mine", "--dataset", "cifar10", "--json")
    assert result.exit_code == 0, result.output
    card = json.loads(result.stdout)
    assert (card["num_classes"], card["dataset"], card["training"]["imported_from"]) == (
        10,
        "cifar10",
        "ghn3.pt",
    )
    write_json(tmp_path / "net.json", SMALL_GRAPH)
    predicted = json.loads(run("predict", "net.json", "--model", "mine", "--json").stdout)[0]
    assert predicted["model"] == "mine" and predicted["coverage"] == 1
    embedded = run("embed", "net.json", "--model", "mine", "-o", "embeddings.npz")
    assert embedded.exit_code == 0
    with np.load(tmp_path / "embeddings.npz") as file:
        assert file["embeddings"].shape == (1, 16) and np.isfinite(file["embeddings"]).all()


def test_a_file_of_the_hub(run: Run, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[tuple[str, str]] = []

    def download(repository: str, file: str) -> str:
        wanted.append((repository, file))
        return str(published)

    hub(monkeypatch, download)
    result = run("models", "import", NAME, "--name", "mine", "--json")
    assert result.exit_code == 0, result.output
    assert wanted == [("some/ghn3", "other/ghn3.pt")]
    assert json.loads(result.stdout)["training"]["imported_from"] == NAME


@pytest.mark.parametrize(
    "error", [OSError("no network"), ValueError("bad name"), LookupError("no such file")]
)
def test_what_cannot_be_fetched_can_be_brought(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def download(repository: str, file: str) -> str:
        raise error

    hub(monkeypatch, download)
    result = run("models", "import", NAME, "--name", "mine")
    assert result.exit_code == 1
    problem = problems(result)[0]
    assert str(error) in problem["detail"] and "other/ghn3.pt of some/ghn3" in problem["detail"]
    assert "weightcast models import ghn3.pt" in problem["hint"] and "some/ghn3" in problem["hint"]


def test_without_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    result = run("models", "import", NAME, "--name", "mine")
    hint = problems(result)[0]["hint"]
    assert result.exit_code == 1 and ".[hub]" in hint and "weightcast models import ghn3.pt" in hint


def test_without_a_connection(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hub's own client, told that there is none."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    result = run("models", "import", NAME, "--name", "mine")
    assert result.exit_code == 1 and "could not be fetched" in problems(result)[0]["detail"]


@pytest.mark.parametrize("name", ["hf:", "hf:file.pt", "hf:owner/repo", "hf:owner/repo/"])
def test_a_name_of_the_hub_has_three_parts(run: Run, name: str) -> None:
    result = run("models", "import", name, "--name", "mine")
    assert result.exit_code == 2 and "hf:OWNER/REPO/FILE" in result.output
