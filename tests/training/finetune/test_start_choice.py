"""The sentence that says which of two starts was better."""

from __future__ import annotations

import pytest

from training.finetune.history import Record
from training.finetune.start_choice import verdict


def epoch(accuracy: float, loss: float, images: int = 200) -> Record:
    return {"validation_accuracy": accuracy, "validation_loss": loss, "validation_images": images}


def test_a_clear_difference_is_said_in_points() -> None:
    answer = verdict({"predicted": epoch(60.0, 1.0, 2000), "random": epoch(41.0, 1.5, 2000)}, after=2)
    assert answer["better"] == "predicted" and answer["points"] == 19
    assert answer["sentence"] == (
        "After 2 epochs, the predicted start was better by 19.0 points: "
        "60.0% against 41.0% of 2,000 validation images."
    )


def test_a_difference_within_the_error_is_said_to_be() -> None:
    answer = verdict({"predicted": epoch(40.5, 1.6), "random": epoch(41.0, 1.5)}, after=1)
    assert answer["sentence"] == (
        "After 1 epoch, the random start was better by 0.5 points, less than the standard error of 4.9: "
        "41.0% against 40.5% of 200 validation images."
    )


def test_one_image_of_ten_thousand_is_no_difference_of_zero() -> None:
    sentence = verdict({"predicted": epoch(41.01, 1, 10_000), "random": epoch(41.0, 1, 10_000)}, after=1)[
        "sentence"
    ]
    assert "better by 0.01 points" in sentence and "41.01% against 41.00%" in sentence


@pytest.mark.parametrize(
    "losses, kept, why",
    [
        ((1.0, 1.5), "predicted", "its loss was lower"),
        ((1.5, 1.0), "random", "its loss was lower"),
        ((1.0, 1.0), "predicted", "its loss was the same"),
    ],
)
def test_equal_accuracies_are_no_victory(losses: tuple[float, float], kept: str, why: str) -> None:
    answer = verdict({"predicted": epoch(41.0, losses[0]), "random": epoch(41.0, losses[1])}, after=3)
    assert answer["better"] == kept and answer["points"] == 0
    assert answer["sentence"] == (
        "After 3 epochs, both starts had the same accuracy: 41.0% of 200 validation images. "
        f"The {kept} start is kept: {why}."
    )
