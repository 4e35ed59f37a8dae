"""Threads that wait for each other sleep soon: it must be said before torch is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from service.kit.openmp import WAITING

REPORT = """
import json, os, sys
try:
    START
except (SystemExit, InvalidRequest):
    pass
print(json.dumps({"torch": "torch" in sys.modules, **{name: os.environ.get(name) for name in NAMES}}))
"""
STARTS = {
    "the command line": "from service.cli.app import main; sys.argv = ['weightcast', 'version']; main()",
    "a worker": "from service.workers.app import run_worker; run_worker(['no-such-queue'])",
}


def after_start(start: str, **environment: str) -> dict[str, Any]:
    """What a process has in its environment when it has begun, and whether it has loaded torch."""
    code = f"from service.errors import InvalidRequest\nNAMES = {list(WAITING)}\n" + REPORT
    clean = {name: value for name, value in os.environ.items() if name not in WAITING}
    answer = subprocess.run(
        [sys.executable, "-c", code.replace("START", STARTS[start])],
        env={**clean, **environment}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return dict(json.loads(answer.stdout.splitlines()[-1]))


@pytest.mark.parametrize("start", STARTS)
def test_it_is_said_before_torch_is_loaded(start: str) -> None:
    assert after_start(start) == {"torch": False, **WAITING}


def test_what_the_user_said_stays() -> None:
    assert after_start("a worker", GOMP_SPINCOUNT="7")["GOMP_SPINCOUNT"] == "7"
