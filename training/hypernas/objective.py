"""The adaptive multi-task objective with a preference coefficient (HyperNAS paper, key design 3).

Shape legend: T tasks
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class AdaptiveObjective(nn.Module):
    """sum over tasks of L^(q/2) / (2 u^2) + ln(1 + u^2), with a learned u for every task.

    Losses are scaled non-linearly, then weighted; with q = 2 this is the usual adaptive loss. Below 2 a task
    whose loss is small weighs more than there: q/2 L^(q/2 - 1) grows as L falls. Losses must not be negative.
    """

    def __init__(self, num_tasks: int, preference: float) -> None:
        super().__init__()
        self.u_T = nn.Parameter(torch.ones(num_tasks))
        self._power = preference / 2

    def forward(self, losses: Mapping[int, Tensor]) -> Tensor:
        """The objective of the tasks that take part in a step: the loss of each by its number."""
        # The power of a loss of zero has no finite gradient.
        loss_T = torch.stack(list(losses.values())).clamp(min=1e-6)
        square_T = self.u_T[list(losses)] ** 2
        return (loss_T**self._power / (2 * square_T) + torch.log1p(square_T)).sum()
