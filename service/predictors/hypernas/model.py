"""HyperNAS: one encoder, and on it a regressor and a hypernetwork (paper 2509.18151).

Shape legend: B architectures
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from service.predictors.hypernas.batch import CellBatch
from service.predictors.hypernas.config import HyperNASConfig
from service.predictors.hypernas.global_encoding import GlobalEncoding
from service.predictors.hypernas.hypernetwork import Hypernetwork
from service.predictors.hypernas.regressor import Regressor
from service.predictors.hypernas.small_network import SmallNetwork


class HyperNAS(nn.Module):
    """A part that the configured tasks do not use is not there."""

    def __init__(self, config: HyperNASConfig) -> None:
        super().__init__()
        self.config = config
        self.encoding = GlobalEncoding(config)
        self.regressor: Regressor | None = None
        self.hypernetwork: Hypernetwork | None = None
        if config.tasks != "weights":
            self.regressor = Regressor(config.hidden, config.regressor_hidden, config.dropout)
        if config.tasks != "accuracy":
            self.hypernetwork = Hypernetwork(config)

    def score(self, cells: CellBatch, generator: torch.Generator | None = None) -> Tensor:
        """score_B: higher is better. generator: of the dropout, in training."""
        if self.regressor is None:
            raise ValueError("this HyperNAS has no regressor: it was trained to generate weights alone")
        score_B: Tensor = self.regressor(self.encoding(cells).network_BC, generator)
        return score_B

    def weights(self, cells: CellBatch, networks: Sequence[SmallNetwork]) -> list[dict[str, Tensor]]:
        """The generated weights of every network; `cells` are theirs, in the same order."""
        if self.hypernetwork is None:
            raise ValueError("this HyperNAS has no hypernetwork: it was trained to predict accuracy alone")
        node_BVC = self.encoding(cells).node_BVC
        return [
            self.hypernetwork(tuple(cell_BVC[row] for cell_BVC in node_BVC), network)
            for row, network in enumerate(networks)
        ]
