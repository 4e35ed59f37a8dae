"""examples/quickstart.ipynb runs against a real service, and is committed without outputs."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.served import RunningService

NOTEBOOK = Path(__file__).parents[2] / "examples" / "quickstart.ipynb"
DOCUMENT: dict[str, Any] = json.loads(NOTEBOOK.read_text())
CODE_CELLS = [cell for cell in DOCUMENT["cells"] if cell["cell_type"] == "code"]
CODE = ["".join(cell["source"]) for cell in CODE_CELLS]


def test_the_notebook_can_be_opened_and_holds_no_outputs() -> None:
    assert (DOCUMENT["nbformat"], DOCUMENT["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in DOCUMENT["cells"]]
    assert len(set(ids)) == len(ids) and len(CODE) >= 6
    # Committed without outputs: they would be one machine's, and differ at every run.
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in CODE_CELLS)
    for index, code in enumerate(CODE):
        compile(code, f"<cell {index}>", "exec")


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.timeout(600)
def test_the_notebook_runs(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_URL", service.url)
    monkeypatch.setenv("MINUTES", "0.1")
    # CIFAR-10 would be downloaded.
    monkeypatch.setenv("DATA", "digits")
    printed = io.StringIO()
    namespace: dict[str, Any] = {"__name__": "notebook"}
    with contextlib.redirect_stdout(printed):
        for index, code in enumerate(CODE):
            exec(compile(code, f"<cell {index}>", "exec"), namespace)
    text = printed.getvalue()
    assert re.search(r"^predicted epoch 0: .*\nrandom    epoch 0: ", text, re.MULTILINE)
    assert "validation images" in text  # the verdict says how many it was measured on
    assert "succeeded" in text and "20 fit" in text and "before any training" in text
    rows = [line.split() for line in text.splitlines() if re.match(r"^ +\d+ +\d+\.\d%", line)]
    assert [row[0] for row in rows] == ["2", "5", "10", "20"]
    # How good that is depends on the minutes; that both columns are accuracies does not.
    assert all(0 <= float(share.rstrip("%")) <= 100 for row in rows for share in row[1:])
    assert re.search(r"^1 \d+\.\d\d \|", text, re.MULTILINE)
