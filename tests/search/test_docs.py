"""The example in docs/search.md that needs no service runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


def test_the_searcher_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text()
    (block,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "Searcher" in code)
    names: dict[str, Any] = {}
    exec(compile(block, "docs/search.md", "exec"), names)
    assert names["value"] == max(value for _, value in names["searcher"].observations)
    assert len(names["searcher"].observations) == 25
