from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from service.cli.app import app
from service.ghn.checkpoint import save_checkpoint
from service.ghn.config import GHNConfig
from service.ghn.model import GHN
from service.settings import get_settings

Run = Callable[..., Result]
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
SMALL_GRAPH: dict[str, Any] = {
    "format": "graph",
    "input_shape": [3, 8, 8],
    "nodes": [
        {"name": "x", "op": "input"},
        {
            "name": "conv",
            "op": "conv",
            "inputs": ["x"],
            "params": {"weight": {"name": "conv.weight", "shape": [8, 3, 3, 3]}},
            "attrs": {"padding": [1, 1]},
        },
        {"name": "pool", "op": "global_avg_pool", "inputs": ["conv"]},
        {"name": "flat", "op": "flatten", "inputs": ["pool"]},
        {
            "name": "fc",
            "op": "linear",
            "inputs": ["flat"],
            "params": {
                "weight": {"name": "fc.weight", "shape": [10, 8]},
                "bias": {"name": "fc.bias", "shape": [10]},
            },
        },
    ],
}


@pytest.fixture(scope="session")
def model_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one model, `tiny`, whose weights are random."""
    home = tmp_path_factory.mktemp("home")
    torch.manual_seed(0)
    ghn = GHN(GHNConfig(hidden=8, max_channels=16, max_kernel=3))
    card = {
        "name": "tiny",
        "kind": "ghn",
        "dataset": "digits",
        "num_classes": 10,
        "scores": {"id-val": {"mean": 12.0}},
    }
    save_checkpoint(home / "models" / "tiny", ghn, card)
    return home


@pytest.fixture
def run(model_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command in an empty folder. Standard output and standard error are kept apart."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHTCAST_HOME", str(model_home))
    monkeypatch.setenv("WEIGHTCAST_DEFAULT_MODEL", "tiny")
    monkeypatch.delenv("WEIGHTCAST_REDIS_URL", raising=False)
    get_settings.cache_clear()
    runner = CliRunner()
    yield lambda *arguments, stdin=None: runner.invoke(app, [str(item) for item in arguments], input=stdin)
    get_settings.cache_clear()


def write_json(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document))
    return path


def problems(result: Result) -> list[dict[str, Any]]:
    """The problem documents on standard error: one a line, and nothing else."""
    return [json.loads(line) for line in result.stderr.splitlines()]
