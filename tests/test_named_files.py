"""Comments and docstrings name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("service", "training", "weightcast", "benchmarks")


def test_modules_that_are_named_are_there() -> None:
    files = [path for part in PARTS for path in (ROOT / part).rglob("*.py")]
    places = [f"/{path.relative_to(ROOT).as_posix()}" for path in files]
    wrong = [
        f"{path.relative_to(ROOT)}: {named}"
        for path in files
        for named in re.findall(r"`([\w/]*\w+\.py)`", path.read_text(encoding="utf-8"))
        if not any(place.endswith(f"/{named}") for place in places)
    ]
    assert not wrong, "\n".join(wrong)
