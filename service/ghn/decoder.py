"""Node states to parameter values, before normalisation and tiling (GHN-2 paper, appendix B.1).

Shape legend: P parameters decoded together, C node state width, S positions = kernel height x width, O, I
output and input channels of the block (64 at most), D = 128 channels of the decoder's spatial map, E = 256
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from service.ghn.config import GHNConfig

MAP_CHANNELS = 128
HIDDEN_CHANNELS = 256
VECTOR_HIDDEN = 64


class WeightDecoder(nn.Module):
    """Linear(C -> D*K*K), ReLU, 1x1 conv D -> E, ReLU, 1x1 conv E -> 64*64, giving a (64, 64, K, K) map of
    which the top-left corner is used. Only what is asked for is computed: a 1x1 weight needs one of the K*K
    positions.
    """

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.max_channels, self.max_kernel = config.max_channels, config.max_kernel
        self.spatial = nn.Linear(config.hidden, MAP_CHANNELS * config.max_kernel**2)
        self.mix = nn.Linear(MAP_CHANNELS, HIDDEN_CHANNELS)
        self.channels = nn.Linear(HIDDEN_CHANNELS, config.max_channels**2)
        # Classifier: over the output axis of the map at its first position.
        self.classifier = nn.Linear(config.max_channels, config.num_classes)

    def forward(self, h_PC: Tensor, out_channels: int, in_channels: int, height: int, width: int) -> Tensor:
        """Values w_POIHW; out and in at most `max_channels`, height and width at most `max_kernel`."""
        params, size = h_PC.shape[0], self.max_kernel
        weight = self.spatial.weight.view(MAP_CHANNELS, size, size, -1)[:, :height, :width]
        bias = self.spatial.bias.view(MAP_CHANNELS, size, size)[:, :height, :width]
        # Positions before channels: the 1x1 convolutions are then plain products over the last axis.
        weight = weight.permute(1, 2, 0, 3).reshape(height * width * MAP_CHANNELS, -1)
        bias = bias.permute(1, 2, 0).reshape(-1)
        x_PSD = torch.relu(nn.functional.linear(h_PC, weight, bias)).view(
            params, height * width, MAP_CHANNELS
        )
        x_PSE = torch.relu(self.mix(x_PSD))
        rows: Tensor = self.channels.weight
        offset: Tensor = self.channels.bias
        if out_channels < self.max_channels or in_channels < self.max_channels:
            grid = (self.max_channels, self.max_channels)
            rows = rows.view(*grid, -1)[:out_channels, :in_channels].reshape(out_channels * in_channels, -1)
            offset = offset.view(grid)[:out_channels, :in_channels].reshape(-1)
        w_PSX = nn.functional.linear(x_PSE, rows, offset)
        return w_PSX.view(params, height, width, out_channels, in_channels).permute(0, 3, 4, 1, 2)

    def forward_classifier(self, h_PC: Tensor) -> Tensor:
        """Values w_POI of classifier weights: O = num_classes, I = `max_channels`."""
        w_POI = self(h_PC, self.max_channels, self.max_channels, 1, 1).flatten(2)
        return self.classifier(torch.relu(w_POI).transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]


class VectorDecoder(nn.Module):
    """MLP 32-64-128 viewed as 2 x 64: row 0 is a norm's weight, row 1 a bias."""

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.max_channels = config.max_channels
        self.first = nn.Linear(config.hidden, VECTOR_HIDDEN)
        self.second = nn.Linear(VECTOR_HIDDEN, 2 * config.max_channels)
        self.classifier = nn.Linear(config.max_channels, config.num_classes)

    def forward(self, h_PC: Tensor) -> Tensor:
        """v_P2O: row 0 norm weights, row 1 biases."""
        return self.second(torch.relu(self.first(h_PC))).view(-1, 2, self.max_channels)  # type: ignore[no-any-return]

    def forward_classifier(self, h_PC: Tensor) -> Tensor:
        """Classifier biases v_PO, O = num_classes."""
        return self.classifier(torch.relu(self(h_PC)[:, 1]))  # type: ignore[no-any-return]
