"""What the configurations of all trainings share: a budget, and being read from a document."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
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

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises ValueError for unknown fields, and for what the configuration refuses."""
        unknown = sorted(set(values) - {entry.name for entry in fields(cls)})
        if unknown:
            raise ValueError(f"unknown training options: {', '.join(unknown)}")
        return cls(**values)
