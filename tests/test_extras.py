"""A missing library is named with the extra that brings it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.extras import NotInstalled, check_installed, optional_imports

ROOT = Path(__file__).resolve().parents[1]


def test_the_extra_is_named() -> None:
    with (
        pytest.raises(NotInstalled, match=r"pip install 'weightcast\[plots\]'") as caught,
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
    assert done.stdout.startswith("NotInstalled This needs matplotlib") and "weightcast[plots]" in done.stdout


def test_before_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed("matplotlib")
    monkeypatch.setattr("service.extras.find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match="matplotlib"):
        check_installed("matplotlib")
