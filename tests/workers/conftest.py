"""A GHN of a few thousand parameters, at random values: enough for everything but quality."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from service.ghn.checkpoint import save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.settings import Settings, get_settings


def make_tiny_model(home: Path, name: str = "tiny") -> None:
    """Write a model folder into the user's models."""
    torch.manual_seed(0)
    ghn = GHN(GHNConfig(hidden=8, max_channels=8, max_kernel=3))
    card = {"name": name, "kind": "ghn", "dataset": "none", "num_classes": 10, "training": {}, "scores": {}}
    save_checkpoint(home / "models" / name, ghn, card)


@pytest.fixture
def tiny(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a home with the model `tiny`; `get_settings()` gives the same."""
    make_tiny_model(settings.home)
    monkeypatch.setenv("WEIGHTCAST_HOME", str(settings.home))
    monkeypatch.setenv("WEIGHTCAST_REDIS_URL", settings.redis_url or "")
    monkeypatch.setenv("WEIGHTCAST_DEFAULT_MODEL", "tiny")
    get_settings.cache_clear()
    return get_settings()
