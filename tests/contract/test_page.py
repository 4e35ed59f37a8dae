"""The page of jobs says what the contract says."""

from __future__ import annotations

from pathlib import Path

from service.contract.kinds import ANSWERS, KINDS
from service.contract.page import page

PAGE = Path(__file__).parents[2] / "docs" / "jobs.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "python -m service.contract.page > docs/jobs.md"


def test_every_kind_has_a_section_and_its_options_a_meaning() -> None:
    text = page()
    for name in (*ANSWERS, *KINDS):
        assert f"# {name}\n" in text
    assert not [line for line in text.splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert "| `model.kernels` | `[3, 5]` | a list, at least 1 items, at most 4 items |" in text
    assert "| `epochs` | `5` | at least 0, at most 1,000 |" in text
