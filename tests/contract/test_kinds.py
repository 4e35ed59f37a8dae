"""Adding a kind of training stays local: what else would name it follows from its row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from service.contract.search import SPACES, Space
from service.kit.references import resolve

ROOT = Path(__file__).resolve().parents[2]
MOST_FILES = 4


def files_that_name(kind: str) -> list[str]:
    """Of the package and the benchmarks, without the kind's own folders and files."""
    own = re.compile(rf"(^|/)(rank_)?{kind}(_\w+)?(/|\.py$)")
    sources = [path for room in ("service", "training", "benchmarks") for path in (ROOT / room).rglob("*.*")]
    return sorted(
        name
        for path in sources
        if path.suffix in (".py", ".js", ".html", ".css")
        and not own.search(name := path.relative_to(ROOT).as_posix())
        and re.search(rf"\b{kind}\b", path.read_text(encoding="utf-8"))
    )


@pytest.mark.parametrize("kind", ["smash", "hypernas"])
def test_a_kind_stands_in_few_files(kind: str) -> None:
    names = files_that_name(kind)
    assert "service/contract/kinds.py" in names
    assert len(names) <= MOST_FILES, "\n".join(names)


def test_every_space_has_what_draws_its_networks() -> None:
    assert tuple(SPACES) == get_args(Space)
    for name, (_, factory) in SPACES.items():
        assert resolve(factory)().name == name
