"""weightcast version."""

from __future__ import annotations

import platform
from importlib import metadata

from service.cli import options
from service.cli.console import emit_json, say


def version(json: options.Json = False) -> None:
    """Show the version of Weightcast, of Python, and of torch if it is installed."""
    versions = {name: number for name in ("weightcast", "torch") if (number := _installed(name))}
    versions["python"] = platform.python_version()
    if json:
        emit_json(versions)
    else:
        others = ", ".join(f"{name} {number}" for name, number in versions.items() if name != "weightcast")
        say(f"{version_text()} ({others})")


def version_text() -> str:
    number = _installed("weightcast")
    return f"weightcast {number}" if number else "weightcast, run from its sources"


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
