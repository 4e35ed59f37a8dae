"""Every block of the README runs as it stands, in order, against a real service.

Two things are stand-ins: `python3 -m venv` and `pip` do nothing but check what they are asked for, and the
service is started by the test, on a free port, instead of by `weightcast serve`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.served import RunningService, end, start

pytestmark = [pytest.mark.system, pytest.mark.timeout(600), pytest.mark.xdist_group("readme")]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SERVE = "weightcast serve\n"

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


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    home = tmp_path_factory.mktemp("readme") / "home"
    service = start(home, default_model="ghn2-cifar10")
    yield service
    end(service)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the commands need of the repository, and commands of their own."""
    folder = tmp_path_factory.mktemp("clone")
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


def run(language: str, block: str, clone: Path, running: RunningService) -> str:
    """What a block prints; its exit status is checked."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("WEIGHTCAST_")},
        "PATH": f"{clone / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "WEIGHTCAST_HOME": str(running.home),
        "OMP_NUM_THREADS": "1",
        "no_proxy": "127.0.0.1",
    }
    command = [sys.executable, "-c"] if language == "python" else ["bash", "-euo", "pipefail", "-c"]
    done = subprocess.run(
        [*command, block.replace("http://127.0.0.1:8000", running.url)],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_block_runs_in_order(clone: Path, running: RunningService) -> None:
    printed = []
    for language, block in BLOCKS:
        assert language in ("sh", "python", "json"), language
        if language == "json" or block == SERVE:
            continue
        printed.append(run(language, block, clone, running))
    assert SERVE in [block for _, block in BLOCKS]
    text = "\n".join(printed)
    assert "weightcast" in text and "<PredictedWeights of ghn2-cifar10" in text
    assert (clone / "net.safetensors").exists() and (clone / "Net.safetensors").exists()
    assert "validation images" in text  # which start was better, and on how many images
    assert "accuracy by ranker, highest first" in text and "value" in text
    assert "200 architectures of nasbench201 scored by mine" in text
    answer = next(json.loads(line) for line in text.splitlines() if line.startswith('{"id"'))
    (shown,) = (block for language, block in BLOCKS if language == "json")
    documented = json.loads(shown)
    assert documented.keys() <= answer.keys()
    result = answer["result"]
    for key, value in documented["result"].items():
        assert key in result
        if key in ("model", "num_tensors", "num_parameters", "complete", "coverage", "numbers"):
            assert result[key] == value, key
    assert result["weights"]["size"] == documented["result"]["weights"]["size"]
    assert [note[:20] for note in result["notes"]] == [note[:20] for note in documented["result"]["notes"]]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_the_package_says_who_it_is_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["urls"] and project["classifiers"] and project["authors"]
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/install.md", ".env.example"):
        assert (ROOT / name).read_text().strip()
    extras = set(project["optional-dependencies"])
    shown = set(re.findall(r"`\.\[(\w+)\]`", (ROOT / "docs" / "install.md").read_text()))
    assert shown == extras - {"docs"}
