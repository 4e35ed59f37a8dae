"""What a fine-tuning may be told: the choices and ranges that every door reads (HTTP, the command line, the
trainer itself), so that they refuse the same values.

The client offers the same choices, without this module: it installs alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, get_args


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `least` to `most`, both included; without `most` there is no end. whole: no fractions."""

    least: float
    most: float | None = None
    whole: bool = True

    def __contains__(self, value: Any) -> bool:
        kind = int if self.whole else (int, float)
        if not isinstance(value, kind) or isinstance(value, bool) or not isfinite(value):
            return False
        return self.least <= value and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        number = "a whole number" if self.whole else "a number"
        return f"{number} {_words(self.least, self.most)}"


def _words(least: float, most: float | None) -> str:
    return f"of {least:g} or more" if most is None else f"from {least:g} to {most:.10g}"


Start = Literal["auto", "predicted", "random"]
STARTS: tuple[Start, ...] = get_args(Start)
Head = Literal["solve", "keep"]
HEADS: tuple[Head, ...] = get_args(Head)

EPOCHS = Range(0, 1000)
IMAGES = Range(2)
IMAGE_SIZE = Range(1, 512)
BATCH_SIZE = Range(2, 4096)
# SGD on a loss of a few nats, with gradients clipped at 5: ten of these steps end any network.
LEARNING_RATE = Range(1e-9, 10, whole=False)
NOISE = Range(0, 10, whole=False)
SEED = Range(0, 2**32 - 1)
