"""The hypernetwork H of GHN-1: a perceptron from a node's state to the largest kernel there is; smaller ones
are cut from it (GHN-1 paper, sections 2 and 5.2).

Shape legend: P parameters decoded together, C node state width, W its hidden width, O, I output and input
channels
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from service.ghn.config import GHNConfig
from service.ghn.decoder import BlockDecoder, Cuts

HIDDEN = 64


class MLPDecoder(BlockDecoder):
    """Linear(C -> 64), ReLU, Linear(64 -> max_channels^2 * max_kernel^2), of which the corner is used. All
    kinds of weights share it, where the paper has a branch for each.

    For small spaces: with 64 channels and kernels of 11 it has 32 million parameters.
    """

    def __init__(self, config: GHNConfig) -> None:
        super().__init__(config)
        self.hidden = nn.Linear(config.hidden, HIDDEN)
        self.kernel = nn.Linear(HIDDEN, config.max_channels**2 * config.max_kernel**2)
        self.classifier = self.make_classifier(config)

    def cut(self, shapes: Iterable[tuple[int, ...]]) -> Cuts:
        grid = (self.max_channels, self.max_channels, self.max_kernel, self.max_kernel)
        weight, bias = self.kernel.weight.view(*grid, HIDDEN), self.kernel.bias.view(grid)
        corners = {shape: tuple(slice(0, size) for size in shape) for shape in shapes}
        return Cuts(
            rows={shape: weight[corner] for shape, corner in corners.items()},
            offsets={shape: bias[corner] for shape, corner in corners.items()},
        )

    def forward(self, h_PC: Tensor, shape: tuple[int, ...], cuts: Cuts) -> Tensor:
        x_PW = torch.relu(self.hidden(h_PC))
        values = nn.functional.linear(x_PW, cuts.rows[shape].flatten(0, 3), cuts.offsets[shape].flatten())
        return values.view(-1, *shape)
