"""A whole service in processes of its own: what a user starts with `make serve`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.served import RunningService, end, start
from service.ghn.checkpoint import save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN


@pytest.fixture(scope="module")
def home_with_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("system") / "home"
    torch.manual_seed(0)
    card = {"name": "tiny", "kind": "ghn", "dataset": "none", "num_classes": 10, "training": {}, "scores": {}}
    save_checkpoint(home / "models" / "tiny", GHN(GHNConfig(hidden=8, max_channels=8, max_kernel=3)), card)
    return home


@pytest.fixture(scope="module")
def service(home_with_model: Path) -> Iterator[RunningService]:
    """One service for the tests of a file, which must leave it working."""
    running = start(home_with_model)
    yield running
    end(running)
