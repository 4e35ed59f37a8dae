"""From the feature of a network to its score (HyperNAS paper, key design 1: y = f(h)).

Shape legend: B architectures, C feature width
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Regressor(nn.Module):
    """A network of one hidden layer. Scores are in units of the standardised target."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(width, hidden)
        self.second = nn.Linear(hidden, 1)
        self._dropout = dropout

    def forward(self, network_BC: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """score_B. generator: of what is left out in training; without one nothing is."""
        hidden_BC = F.relu(self.first(network_BC))
        if generator is not None and self._dropout > 0:
            kept_BC = torch.rand(hidden_BC.shape, generator=generator) >= self._dropout
            hidden_BC = hidden_BC * kept_BC / (1 - self._dropout)
        score_B: Tensor = self.second(hidden_BC).squeeze(-1)
        return score_B
