"""A whole service in processes of its own: what a user starts with `make serve`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.served import RunningService, end, start
from service.ghn.checkpoint import save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN

from .doc_blocks import Reader, make_clone


@pytest.fixture(scope="session")
def home_with_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("system") / "home"
    torch.manual_seed(0)
    card = {"name": "tiny", "kind": "ghn", "dataset": "none", "num_classes": 10, "training": {}, "scores": {}}
    save_checkpoint(home / "models" / "tiny", GHN(GHNConfig(hidden=8, max_channels=8, max_kernel=3)), card)
    return home


@pytest.fixture
def own_home(home_with_model: Path, tmp_path: Path) -> Path:
    """The home of a service that a test starts for itself, with the same model."""
    return linked_home(tmp_path, home_with_model)


def linked_home(folder: Path, other: Path) -> Path:
    """A home in a folder, with the models of another."""
    home = folder / "home"
    home.mkdir()
    (home / "models").symlink_to(other / "models")
    return home


@pytest.fixture(scope="session")
def service(home_with_model: Path) -> Iterator[RunningService]:
    """One service for the tests of the xdist group "service", which must leave it working: a start costs ten
    seconds of processor time. What they look for in it has names and ids of their own.
    """
    running = start(home_with_model)
    yield running
    end(running)


@pytest.fixture(scope="session")
def shipped_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """With the models that everybody has: what the pages are written for. Its tests are the group "pages"."""
    running = start(tmp_path_factory.mktemp("pages") / "home", default_model="ghn2-cifar10")
    yield running
    end(running)


@pytest.fixture(scope="module")
def reader(shipped_service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Somebody with a clone, who has no models of their own yet: pages give theirs the same names."""
    yield Reader(make_clone(tmp_path_factory.mktemp("clone")), shipped_service)
    shutil.rmtree(shipped_service.home / "models", ignore_errors=True)
