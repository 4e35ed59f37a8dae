"""The page for contributors names files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")


def test_files_that_are_named_are_there() -> None:
    paths = re.findall(r"`((?:service|training|benchmarks|tests|docs|docker)/[\w./-]*)`", PAGE)
    assert len(paths) > 30
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_a_variant_of_the_ghn_takes_the_files_that_the_page_names() -> None:
    """Files of the GHN that name a variant: its module's class, its configuration, its row."""
    row = next(line for line in PAGE.splitlines() if line.startswith("| a variant of the GHN"))
    users = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "service" / "ghn").glob("*.py")
        if "GraphTransformer" in path.read_text(encoding="utf-8")
    }
    assert users and all(f"`{path}`" in row for path in users)


@pytest.mark.parametrize(
    ("row", "declared"),
    [
        ("a format of architectures", "service/graph_io/formats.py"),
        ("a kind of training job", "service/contract/kinds.py"),
    ],
)
def test_what_has_a_table_of_its_own_takes_one_row(row: str, declared: str) -> None:
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {row} "))
    assert f"its row of `{declared}`" in line
