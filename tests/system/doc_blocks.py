"""Runs the blocks of a page as they stand, in a folder that has what a clone has, against a real service.

Two things are stand-ins: `python3 -m venv` and `pip` only check their arguments, and the test starts the
service, on a free port, instead of `weightcast serve`.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.served import RunningService

ROOT = Path(__file__).parents[2]
SERVE = re.compile(r"weightcast serve( +#.*)?\n")

PIP = """#!{python}
import re, sys, tomllib
verb, *rest = sys.argv[1:]
assert verb == "install", verb
extras = tomllib.load(open({project!r}, "rb"))["project"]["optional-dependencies"]
for argument in rest:
    match = re.fullmatch(r"\\.(?:\\[([\\w,]+)\\])?", argument)
    assert match, argument
    assert {{*(match[1] or "").split(",")}} - {{""}} <= {{*extras}}, argument
"""
PYTHON = """#!/bin/sh
test "$1 $2" = "-m venv" || exit 1
mkdir -p "$3/bin" && touch "$3/bin/activate"
"""
WEIGHTCAST = """#!/bin/sh
exec {python} -m service.cli "$@"
"""


def blocks_of(page: str) -> list[tuple[str, str]]:
    """Language and text of each block of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def make_clone(folder: Path) -> Path:
    """What the commands need of the repository, and stand-ins for commands that install."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / "bin").mkdir()
    for name, text in {
        "pip": PIP.format(python=sys.executable, project=str(ROOT / "pyproject.toml")),
        "python3": PYTHON,
        "weightcast": WEIGHTCAST.format(python=sys.executable),
    }.items():
        file = folder / "bin" / name
        file.write_text(text)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return folder


@dataclass(frozen=True)
class Reader:
    """Somebody who copies blocks. clone: where; service: that answers at the documented address."""

    clone: Path
    service: RunningService

    def run(self, language: str, block: str) -> str:
        """What a block prints; its exit status is checked."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WEIGHTCAST_")},
            "PATH": f"{self.clone / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "WEIGHTCAST_HOME": str(self.service.home),
            "OMP_NUM_THREADS": "1",
            "no_proxy": "127.0.0.1",
        }
        command = [sys.executable, "-c"] if language == "python" else ["bash", "-euo", "pipefail", "-c"]
        text = SERVE.sub("", block.replace("http://127.0.0.1:8000", self.service.url))
        done = subprocess.run(
            [*command, text],
            cwd=self.clone,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        return done.stdout
