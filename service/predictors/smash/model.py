"""SMASH: weights for any network of the memory-bank space (Brock et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from service.graph_io.cells.smash import MemoryBankNetwork
from service.predictors.smash.config import SmashConfig
from service.predictors.smash.encoding import encode
from service.predictors.smash.filters import Filter, generated_filters
from service.predictors.smash.hypernetwork import ConvolutionalHypernetwork
from service.predictors.smash.shared import SharedParameters


class Smash(nn.Module):
    """A hypernetwork for the 1x1 filters, and learned parameters for the rest."""

    def __init__(self, config: SmashConfig) -> None:
        super().__init__()
        self.config = config
        self.hypernetwork = ConvolutionalHypernetwork(config)
        self.shared = SharedParameters(config)

    def forward(
        self, network: MemoryBankNetwork, filters: Sequence[Filter] | None = None
    ) -> dict[str, Tensor]:
        """Every parameter of the network by its name.

        filters: the network's own (`generated_filters`) with corrupted descriptions, as a control.

        Raises InvalidArchitecture, naming the field, for a network outside of the space.
        """
        own = generated_filters(network, self.config) if filters is None else filters
        generated: dict[str, Tensor] = self.hypernetwork(encode(own, self.config))
        learned: dict[str, Tensor] = self.shared(network)
        return {**learned, **generated}
