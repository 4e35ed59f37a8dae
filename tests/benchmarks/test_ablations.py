"""The table of ablations: means and paired differences, over networks or over seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.ablations import by_budget, table


def result(accuracies: list[float], loss: float) -> dict[str, Any]:
    splits = ("as-in-training", "id-test", "wide", "deep", "dense", "bn-free")
    return {
        "steps": 10,
        "meta_batch": 4,
        "seconds": 2.0,
        "loss": loss,
        "accuracies": {split: accuracies for split in splits},
    }


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_one_seed_counts_networks() -> None:
    lines = table([{"ghn2": result([10.0, 20.0], 2.0), "fan-out": result([13.0, 21.0], 1.0)}]).splitlines()
    assert cells(lines[2])[5:8] == ["15.0 ± 5.0", "", "15.0 ± 5.0"]
    assert cells(lines[3])[0] == "Fan-out"
    assert cells(lines[3])[8] == "+2.0 ± 1.0"
    assert cells(lines[3])[-1] == "53.8 against 54.3, ID, meta-batch 1"


def test_several_seeds_count_seeds() -> None:
    seeds = [
        {"ghn2": result([10.0, 20.0], 2.0), "mlp": result([11.0, 21.0], 2.0)},
        {"ghn2": result([20.0, 40.0], 3.0), "mlp": result([23.0, 43.0], 2.0)},
        {"ghn2": result([0.0, 0.0], 3.0)},
    ]
    lines = table(seeds[:2]).splitlines()
    assert cells(lines[2])[4:6] == ["2.500", "22.5 ± 7.5"]
    assert cells(lines[3])[8] == "+2.0 ± 1.0"
    assert len(table(seeds).splitlines()) == 3  # a variant that a seed lacks waits


def test_a_column_that_nobody_measured_is_not_there() -> None:
    results = {"ghn2": result([10.0, 20.0], 2.0)}
    del results["ghn2"]["accuracies"]["id-test"]
    header, _, row = table([results]).splitlines()
    assert "ID-TEST" not in header and "as in training" in header
    assert len(cells(row)) == len(cells(header)) == 10


def test_seeds_of_one_budget_are_together(tmp_path: Path) -> None:
    for name, accuracy in (("a-5-steps-seed-1", 1.0), ("a-5-steps-seed-0", 0.0), ("b-5-steps-seed-0", 2.0)):
        folder = tmp_path / name / "ghn2"
        folder.mkdir(parents=True)
        (folder / "scores.json").write_text(json.dumps(result([accuracy], 1.0)))
    (tmp_path / "c-5-steps-seed-0").mkdir()  # nothing is measured yet
    found = by_budget(tmp_path)
    assert {budget: len(seeds) for budget, seeds in found.items()} == {"a-5-steps": 2, "b-5-steps": 1}
    assert [seed["ghn2"]["accuracies"]["wide"] for seed in found["a-5-steps"]] == [[0.0], [1.0]]
