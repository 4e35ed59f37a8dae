"""The learning rate of a fine-tuning, where the user chose none."""

from __future__ import annotations

import pytest

from training.finetune.config import FineTuning


@pytest.mark.parametrize(
    ("steps", "rate"), [(1, 0.0002), (20, 0.0002), (100, 0.001), (200, 0.002), (9999, 0.002)]
)
def test_a_short_training_of_a_solved_layer_takes_smaller_steps(steps: int, rate: float) -> None:
    assert FineTuning().rate(head_is_solved=True, steps=steps) == pytest.approx(rate)


def test_other_rates_do_not_depend_on_the_steps() -> None:
    assert {FineTuning().rate(head_is_solved=False, steps=steps) for steps in (1, 999)} == {0.002}
    chosen = FineTuning(learning_rate=0.3)
    assert {chosen.rate(head_is_solved=solved, steps=1) for solved in (True, False)} == {0.3}
