"""What is printed of recipes that were trained at equal time."""

from __future__ import annotations

from pathlib import Path

from benchmarks.recipes import RECIPES, curve, draw, table

RECORDS = [
    {"kind": "data", "name": "cifar10"},
    *({"kind": "train", "step": step, "loss": 2.0 if step > 200 else 9.0} for step in range(20, 401, 20)),
    {"kind": "validation", "seconds": 600.0, "mean": 10.0},
    {"kind": "validation", "seconds": 1800.0, "mean": 40.0},
]


def test_a_curve_is_accuracy_against_minutes() -> None:
    assert curve(RECORDS) == [(10.0, 10.0), (30.0, 40.0)]


def test_a_row_has_the_loss_of_the_last_steps_and_accuracy_at_thirds_of_the_time() -> None:
    assert table({RECIPES[0]: RECORDS}).splitlines()[-1] == (
        "| GHN-2, width 32 | 400 | 2.000 | 10.0 | 25.0 | 40.0 |"
    )


def test_the_curves_are_drawn(tmp_path: Path) -> None:
    draw({recipe: RECORDS for recipe in RECIPES[:2]}, tmp_path / "curves.svg")
    text = (tmp_path / "curves.svg").read_text()
    assert all(recipe.label in text for recipe in RECIPES[:2])


def test_stages_last_to_the_end() -> None:
    for recipe in RECIPES:
        assert recipe.training_stages[-1]["until"] == 1
        assert {stage["images"] for stage in recipe.training_stages} == {recipe.images}
