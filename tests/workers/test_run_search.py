"""The process of a search, in this process: it stops when it is told to, and goes on where it was."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.search import run as loop
from service.search.evaluation import Evaluator
from service.settings import Settings
from service.workers import job_process
from tests.job_runs import run_job

CONFIG = {
    "space": "nasbench201",
    "predictor": "structure",
    "evaluations": 100,
    "seed": 1,
    "top_k": 5,
    "max_parameters": 900_000,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    settings = Settings(home=tmp_path / "home")
    monkeypatch.setattr(job_process, "get_settings", lambda: settings)
    previous = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, previous)


def run(folder: Path, **config: Any) -> dict[str, Any] | None:
    """The exit status must be 0; the result, None if there is none."""
    assert run_job("search", folder, {**CONFIG, **config}, None) == 0
    result = folder / "result.json"
    return dict(json.loads(result.read_text())) if result.exists() else None


def test_a_stopped_search_goes_on_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(folder / "whole")
    assert whole is not None

    evaluate, asked = Evaluator.evaluate, []

    def interrupted(self: Evaluator, documents: Any) -> Any:
        asked.append(len(documents))
        if len(asked) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(self, documents)

    monkeypatch.setattr(Evaluator, "evaluate", interrupted)
    assert run(folder / "parts") is None
    with (folder / "parts" / "history.jsonl").open("a") as file:
        file.write('{"key": "half a li')
    before = sum(asked)
    resumed = run(folder / "parts")
    assert resumed is not None
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    # Nothing that was written down is scored again.
    assert sum(asked) - before <= whole["evaluations"] + whole["refused"] - 30
    lines = (folder / "parts" / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps[-1] == 100


def test_a_refusal_is_a_problem_document(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "MOST_IDLE_DRAWS", 20)
    assert run_job("search", folder, {**CONFIG, "max_parameters": 1}, None) == 3
    assert json.loads((folder / "problem.json").read_text())["field"] == "/config"


def test_the_limits_of_the_settings_hold_in_a_search(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below what the search itself allows: larger networks are refused, as they are everywhere else."""
    settings = Settings(home=folder / "home", max_parameters=500_000)
    monkeypatch.setattr(job_process, "get_settings", lambda: settings)
    found = run(folder)
    assert found is not None and found["refused"] > 0
    assert 0 < max(row["costs"]["parameters"] for row in found["best"]) <= 500_000
