"""What the schedules of all trainings share: how much of a budget is used, and a learning rate."""

from __future__ import annotations

from math import cos, pi

from service.contract.options import Budget


def share_used(budget: Budget, step: int, seconds: float) -> float:
    """Share of the budget that is used after so many steps and seconds; 1 or more at its end."""
    if budget.steps is not None:
        return step / budget.steps
    return seconds / (60 * (budget.minutes or 1))


def falling_rate(
    step: int,
    progress: float,
    *,
    highest: float,
    lowest: float = 0.0,
    warmup_steps: int = 0,
    constant_share: float = 0.0,
) -> float:
    """Learning rate at a step, when `progress` (0 to 1) of the budget is used: a linear warm-up, the highest
    for `constant_share` of the budget, and then along a cosine to the lowest. With a share of 1 it never
    falls.
    """
    warm = min(1.0, (step + 1) / max(1, warmup_steps))
    left = 1 - constant_share
    fallen = max(0.0, min(1.0, progress) - constant_share) / left if left else 0.0
    return warm * (lowest + (highest - lowest) * 0.5 * (1 + cos(pi * fallen)))
