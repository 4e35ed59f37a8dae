"""A missing library is named with the extra that brings it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.app import app
from service.extras import NotInstalled, check_installed, optional_imports

ROOT = Path(__file__).resolve().parents[1]


def test_the_extra_is_named() -> None:
    with (
        pytest.raises(NotInstalled, match=r"pip install '.\[plots\]'") as caught,
        optional_imports(),
    ):
        raise ModuleNotFoundError("No module named 'pandas'", name="pandas.core")
    assert caught.value.problem()["detail"] == "This needs pandas, which is not installed."
    assert isinstance(caught.value, ImportError)


def test_what_no_extra_brings_is_left_alone() -> None:
    with pytest.raises(ModuleNotFoundError, match="none_such"), optional_imports():
        import none_such  # type: ignore[import-not-found]  # noqa: F401


def test_charts_without_matplotlib_name_the_extra() -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "try:\n    import service.plots\n"
        "except ImportError as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("NotInstalled This needs matplotlib") and ".[plots]" in done.stdout


def test_before_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed("matplotlib")
    monkeypatch.setattr("service.extras.find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match="matplotlib"):
        check_installed("matplotlib")


@pytest.mark.parametrize(("command", "extra"), [("serve", "embedded"), ("worker", "worker")])
def test_a_command_names_the_extra_that_is_enough(
    command: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("service.embedded", "service.workers.app"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "structlog", None)  # which the extra `api` brings, and others
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 1
    assert f"pip install '.[{extra}]'" in json.loads(result.stderr)["hint"]
