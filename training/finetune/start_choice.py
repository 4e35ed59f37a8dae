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

    better: the start; points: by so many percent of `images` validation images; sentence: the same for
    people, with the error that so few images leave.
    """
    chosen = better_start(best)
    (other,) = set(best) - {chosen}
    images = int(best[chosen]["validation_images"])
    one, two = (best[start]["validation_accuracy"] for start in (chosen, other))
    points, error = one - two, _error(one, two, images)
    doubt = "" if points > error else f", within the error of {error:.1f}"
    sentence = (
        f"After {after} {'epoch' if after == 1 else 'epochs'}, the {chosen} start was better by {points:.1f} "
        f"points{doubt}: {one:.1f}% against {two:.1f}% of {images:,} validation images."
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


def _error(one: float, two: float, images: int) -> float:
    """Standard error in points of a difference of two accuracies in percent, each of so many images."""
    shares = (one / 100, two / 100)
    return 100 * sqrt(sum(share * (1 - share) for share in shares) / max(1, images))
