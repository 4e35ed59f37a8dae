"""What the configurations of all trainings share: a budget, a learning rate, being read from a document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from math import cos, pi
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Budgeted:
    """A run that ends after so many minutes of training or so many steps: one of them is given."""

    minutes: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give minutes or steps, one of them")

    def used(self, step: int, seconds: float) -> float:
        """Share of the budget that is used after so many steps and seconds; 1 or more at its end."""
        if self.steps is not None:
            return step / self.steps
        return seconds / (60 * (self.minutes or 1))

    def _check_positive(self, names: Iterable[str]) -> None:
        """Raises ValueError for a budget, or a field of these names, that is not positive."""
        if (self.minutes or self.steps or 0) <= 0:
            raise ValueError("minutes and steps must be positive")
        for name in names:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises ValueError for unknown fields, and for what the configuration refuses."""
        unknown = sorted(set(values) - {entry.name for entry in fields(cls)})
        if unknown:
            raise ValueError(f"unknown training options: {', '.join(unknown)}")
        return cls(**values)


def falling_rate(
    step: int, progress: float, *, highest: float, lowest: float = 0.0, warmup_steps: int = 0
) -> float:
    """Learning rate at a step, when `progress` (0 to 1) of the budget is used: a linear warm-up, and along a
    cosine from the highest to the lowest.
    """
    warm = min(1.0, (step + 1) / max(1, warmup_steps))
    falling = 0.5 * (1 + cos(pi * min(1.0, progress)))
    return warm * (lowest + (highest - lowest) * falling)
