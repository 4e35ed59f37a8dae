"""What readers of the repository follow or copy: links, commands that install, and how to cite."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "docker/**/*.md", "monitoring/*.md")
    for path in sorted(ROOT.glob(pattern))
]
READ = [
    *PAGES,
    *sorted((ROOT / "examples").glob("*.ipynb")),
    *sorted((ROOT / "service").rglob("*.py")),
    *sorted((ROOT / "service/api/web").rglob("*.js")),
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_to_files(page: Path) -> None:
    """A page of docs/ links to nothing outside of it: the site has no other files."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if target.startswith(("https://", "http://", "mailto:", "./docs/")):
            continue
        path = (page.parent / target).resolve()
        assert path.exists(), target
        if page.is_relative_to(ROOT / "docs"):
            assert path.is_relative_to(ROOT / "docs"), target


@pytest.mark.parametrize("page", READ, ids=name_of)
def test_no_page_installs_from_an_index(page: Path) -> None:
    """The package is on no index, so `pip install weightcast[...]` would fail, or install a stranger's."""
    assert not re.search(r"pip install[^\n]*weightcast|weightcast\[", page.read_text())


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0" and citation["message"]
    assert (citation["title"], citation["license"]) == ("Weightcast", PROJECT["license"])
    assert citation["version"] == PROJECT["version"]
    assert citation["authors"] == PROJECT["authors"]
    for paper in citation["references"]:
        assert paper["type"] == "article" and paper["title"] and paper["authors"]
        assert 2017 <= paper["year"] <= date.today().year
        assert re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{5}", paper["url"])
