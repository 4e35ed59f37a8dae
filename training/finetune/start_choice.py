"""Which of two starts was better, by how much, and of how many images: as numbers, and in a sentence."""

from __future__ import annotations

from math import sqrt
from typing import Any

from service.errors import TrainingDiverged
from training.finetune.history import Record, quality

PREDICTED, RANDOM = "predicted", "random"


def better_start(best: dict[str, Record]) -> str:
    """The start whose best epoch did better on validation images; the predicted one of equals."""
    return max(sorted(best), key=lambda start: quality(best[start]))


def verdict(best: dict[str, Record], *, after: int) -> dict[str, Any]:
    """best: of each start the epoch that did best on validation images, at most `after` epochs in.

    better: the start that is kept; points: how much more accurate it was, in percent of `images` validation
    images (0: equally accurate); sentence: the same for people, with the standard error of the difference
    where that is larger.
    """
    chosen = better_start(best)
    (other,) = set(best) - {chosen}
    images = int(best[chosen]["validation_images"])
    one, two = (best[start]["validation_accuracy"] for start in (chosen, other))
    points, error = one - two, _error(one, two, images)
    when = f"After {after} {'epoch' if after == 1 else 'epochs'}"
    if points == 0:
        sentence = (
            f"{when}, both starts had the same accuracy: {one:.1f}% of {images:,} validation images. "
            f"The {chosen} start is kept: {_why_kept(best[chosen], best[other])}."
        )
    else:
        places = 1 if points >= 0.05 else 2
        doubt = "" if points > error else f", less than the standard error of {error:.1f}"
        sentence = (
            f"{when}, the {chosen} start was better by {points:.{places}f} points{doubt}: "
            f"{one:.{places}f}% against {two:.{places}f}% of {images:,} validation images."
        )
    return {
        "better": chosen,
        "points": round(points, 3),
        "images": images,
        "after_epochs": after,
        "sentence": sentence,
    }


def diverged_start(kind: str, best: Record, errors: dict[str, TrainingDiverged]) -> dict[str, Any]:
    """The verdict where the training of the other start diverged."""
    ((other, error),) = errors.items()
    return {
        "better": kind,
        "points": None,
        "images": int(best["validation_images"]),
        "after_epochs": best["epoch"],
        "sentence": f"The {kind} start is kept: the training of the {other} start diverged ({error.detail})",
    }


def _why_kept(kept: Record, other: Record) -> str:
    """What decided between two starts of equal accuracy."""
    if kept["validation_loss"] < other["validation_loss"]:
        return "its loss was lower"
    return "its loss was the same"


def _error(one: float, two: float, images: int) -> float:
    """Standard error, in points, of the difference of two accuracies in percent on `images` images each."""
    shares = (one / 100, two / 100)
    return 100 * sqrt(sum(share * (1 - share) for share in shares) / max(1, images))
