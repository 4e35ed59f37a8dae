"""`weightcast train --kind hypernas`, and what of it a GHN is not told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.settings import get_settings
from tests.cli.conftest import Run
from tests.predictors.rankers.test_ranking import observations, some_cells


@pytest.fixture(autouse=True)
def own_home(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHTCAST_HOME", str(tmp_path / "own"))
    get_settings.cache_clear()


def test_it_learns_from_a_file_of_results_and_ranks(run: Run, tmp_path: Path) -> None:
    lines = [json.dumps(item) for item in observations(some_cells(40))]
    (tmp_path / "trained.jsonl").write_text("\n".join(lines))
    train = ("train", "--kind", "hypernas", "--data", "digits", "--observations", "trained.jsonl")
    made = run(*train, "--steps", "8", "--json")
    assert made.exit_code == 0, made.output
    answer = json.loads(made.stdout)
    assert (answer["name"], answer["steps"]) == ("hypernas-digits", 8)
    # A fifth of those that are networks.
    assert 5 <= answer["scores"]["held_out"] <= 8
    (tmp_path / "cells.jsonl").write_text("\n".join(json.dumps(cell) for cell in some_cells(5, seed=1)))
    ranked = json.loads(run("rank", "cells.jsonl", "--predictor", "hypernas-digits", "--json").stdout)
    assert len(ranked["ranking"]) == 5
    assert run(*train, "--steps", "8").exit_code == 2  # the run is there


def test_what_does_not_go_together(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("")
    assert run("train", "--kind", "hypernas", "--data", "digits", "--steps", "2").exit_code == 2
    assert run("train", "--data", "digits", "--steps", "2", "--observations", "t.jsonl").exit_code == 2
    hypernas = ("train", "--kind", "hypernas", "--data", "digits", "--observations", "t.jsonl")
    assert run(*hypernas, "--gnn", "mlp").exit_code == 2
    assert run("train", "--data", "digits", "--steps", "2", "--set", "space=none").exit_code == 2
