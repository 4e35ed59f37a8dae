"""The page that compares us names a test for everything it says of us."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/comparison.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| ---")][1:]


def test_every_row_names_its_test() -> None:
    assert len(ROWS) > 20
    assert [row for row in ROWS if "`tests/" not in row.split("|")[-2]] == []


@pytest.mark.parametrize("name", re.findall(r"`(tests/[^`]+)`", PAGE))
def test_the_tests_are_there(name: str) -> None:
    file, _, function = name.partition("::")
    assert re.search(rf"def {function}\(", (ROOT / file).read_text()), name
