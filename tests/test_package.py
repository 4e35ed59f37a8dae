"""`import weightcast`: the names of the client, and what happens where another folder is called `service`."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import service.client
import weightcast

ROOT = Path(__file__).resolve().parents[1]


def test_it_has_all_names_of_the_client() -> None:
    assert weightcast.__all__ == service.client.__all__
    for name in service.client.__all__:
        assert getattr(weightcast, name) is getattr(service.client, name)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "weightcast" in project["tool"]["setuptools"]["packages"]["find"]["include"]


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "use.py"
    file.write_text(script)
    return subprocess.run(
        [sys.executable, str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=folder, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_it_loads_no_torch(tmp_path: Path) -> None:
    done = run("import sys, weightcast; print('torch' in sys.modules, weightcast.Client.__name__)", tmp_path)
    assert done.stdout == "False Client\n", done.stderr


def test_a_folder_that_hides_the_package_is_named(tmp_path: Path) -> None:
    """A script's folder comes first in Python's search, and `service` is a common name there."""
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").touch()
    done = run("from weightcast import Client", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path / 'service'} hides Weightcast's package 'service'" in done.stderr
    assert "Rename it" in done.stderr


def test_a_file_that_hides_the_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "service.py").touch()
    done = run("import weightcast", tmp_path)
    assert done.returncode == 1 and f"{tmp_path / 'service.py'} hides" in done.stderr
