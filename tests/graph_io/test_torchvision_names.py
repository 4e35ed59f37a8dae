"""Names of torchvision's models are known without importing it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import InvalidArchitecture
from service.graph_io.torchvision_names import check_name, installed_names

ROOT = Path(__file__).resolve().parents[2]


def test_the_sources_name_every_model() -> None:
    from torchvision import models

    assert installed_names() == set(models.list_models())


def test_an_unknown_name_is_refused_with_others_like_it() -> None:
    with pytest.raises(InvalidArchitecture, match="torchvision has no model named 'resnet999'") as refused:
        check_name("resnet999")
    assert "Did you mean resnet" in refused.value.extra["hint"]
    check_name("resnet50")


@pytest.mark.parametrize("command", [["predict"], ["finetune", "--data", "digits"]])
def test_the_command_line_refuses_it_before_torch_is_loaded(command: list[str], tmp_path: Path) -> None:
    script = (
        "import sys; from service.cli.app import app\n"
        "try: app(sys.argv[1:], standalone_mode=True)\n"
        "except SystemExit as ended: print(ended.code, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, command[0], "torchvision:resnet999", *command[1:]],
        env={**os.environ, "PYTHONPATH": str(ROOT), "WEIGHTCAST_HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.strip().endswith("3 False"), done.stdout + done.stderr
    assert "Did you mean" in done.stderr
