"""Weights of a memory-bank network in one pass of a convolutional hypernetwork (Brock et al. 2017, 3.2).

Shape legend: C channels of the conditioning tensor, H height, W width, K weights of a cell
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from service.predictors.smash.config import SmashConfig
from service.predictors.smash.encoding import Encoding, Region, condition_channels

_SLOPE = 0.1
_DEVIATION = 0.5


class ConvolutionalHypernetwork(nn.Module):
    """1x1, residual 3x3 convolutions with leaky ReLU, 1x1. Its output has as many cells as its input, each
    with the weights from `unit` input to `unit` output channels: the weights grow with the network, at a
    fixed cost a cell.
    """

    def __init__(self, config: SmashConfig) -> None:
        super().__init__()
        self._unit = config.unit
        self.first = nn.Conv2d(condition_channels(config), config.hidden, 1)
        self.body = nn.ModuleList(
            nn.Conv2d(config.hidden, config.hidden, 3, padding=1) for _ in range(config.depth)
        )
        self.last = nn.Conv2d(config.hidden, config.unit**2, 1)
        # A cell has about twenty ones among its zeros. An initialisation for inputs that are all there would
        # tell two cells hardly apart, and give a network filters that are much alike.
        nn.init.normal_(self.first.weight, std=_DEVIATION)

    def forward(self, encoding: Encoding) -> dict[str, Tensor]:
        """The weight of every filter by its name, (out, in, 1, 1)."""
        state: Tensor = self.first(encoding.condition_1CHW)
        for conv in self.body:
            state = state + conv(F.leaky_relu(state, _SLOPE))
        cell_HWK = self.last(F.leaky_relu(state, _SLOPE))[0].permute(1, 2, 0)
        return {region.filter.name: self._weight(cell_HWK, region) for region in encoding.regions}

    def _weight(self, cell_HWK: Tensor, region: Region) -> Tensor:
        rows, columns, unit = region.stop - region.start, region.columns, self._unit
        cells = cell_HWK[region.start : region.stop, :columns].reshape(rows, columns, unit, unit)
        weight = cells.permute(1, 2, 0, 3).reshape(columns * unit, rows * unit)
        if region.outputs is not None:
            weight = weight[region.outputs]
        if region.inputs is not None:
            weight = weight[:, region.inputs]
        # The paper's simplified WeightNorm (section 3.1): every output has a filter of length one.
        return F.normalize(weight, dim=1, eps=1e-6)[:, :, None, None]
