"""Tests of one xdist group run in one process, so that a service of theirs starts once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GROUPED = """
import os, pathlib
import pytest

@pytest.mark.xdist_group("one service")
@pytest.mark.parametrize("number", range(8))
def test_process(number):
    pathlib.Path(os.environ["PYTEST_XDIST_WORKER"]).touch()
"""


def test_a_group_stays_in_one_process(tmp_path: Path) -> None:
    (tmp_path / "test_grouped.py").write_text(GROUPED)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    # The other plugins take most of the time, in three processes.
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist.plugin"}
    subprocess.run([*command, str(tmp_path)], cwd=tmp_path, env=environment, check=True, timeout=120)
    assert len(list(tmp_path.glob("gw*"))) == 1
