"""The pages that compare us and that make promises name a test for everything they say of us."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = {name: (ROOT / "docs" / name).read_text() for name in ("comparison.md", "reliability.md")}


def promises(page: str) -> Iterator[str]:
    """Rows of the tables whose last column names tests."""
    last = ""
    for line in page.splitlines():
        if not line.startswith("| "):
            last = ""
        elif not last:
            last = line.split("|")[-2].strip()
        elif last.endswith("test") and not line.startswith("| ---"):
            yield line


@pytest.mark.parametrize("name", PAGES)
def test_every_row_names_its_test(name: str) -> None:
    rows = list(promises(PAGES[name]))
    assert len(rows) > 20
    assert [row for row in rows if "`tests/" not in row.split("|")[-2]] == []


@pytest.mark.parametrize("name", re.findall(r"`(tests/[^`]+)`", "".join(PAGES.values())))
def test_the_tests_are_there(name: str) -> None:
    file, _, function = name.partition("::")
    assert re.search(rf"def {function}\(", (ROOT / file).read_text()), name
