"""Node states to parameter values, before normalisation and tiling (GHN-2 paper, appendix B.1).

Shape legend: P parameters decoded together, C node state width, S positions = kernel height x width, O, I
output and input channels of the block (64 at most), D = 128 channels of the decoder's spatial map, E = 256
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from service.ghn.config import GHNConfig

MAP_CHANNELS = 128
HIDDEN_CHANNELS = 256
VECTOR_HIDDEN = 64


@dataclass(frozen=True, slots=True)
class Cuts:
    """Corners of the decoder's weights, by (height, width) and by (out, in)."""

    spatial: dict[tuple[int, ...], Tensor]
    spatial_bias: dict[tuple[int, ...], Tensor]
    rows: dict[tuple[int, ...], Tensor]
    offsets: dict[tuple[int, ...], Tensor]


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

    def cut(self, shapes: Iterable[tuple[int, ...]]) -> Cuts:
        """The parts of the decoder's weights that blocks of these shapes (out, in, height, width) need.

        All at once, because the gradient of a slice is as large as what it was cut from: cutting a group at
        a time would fill and add megabytes of zeros for every group.
        """
        shapes = list(shapes)
        size, grid = self.max_kernel, (self.max_channels, self.max_channels)
        # Positions before channels: the 1x1 convolutions are then plain products over the last axis.
        spatial = self.spatial.weight.view(MAP_CHANNELS, size, size, -1).permute(1, 2, 0, 3)
        spatial_bias = self.spatial.bias.view(MAP_CHANNELS, size, size).permute(1, 2, 0)
        kernels = sorted({shape[2:] for shape in shapes})
        channels = sorted({shape[:2] for shape in shapes})
        return Cuts(
            spatial=_corners(spatial, kernels),
            spatial_bias=_corners(spatial_bias, kernels),
            rows=_corners(self.channels.weight.view(*grid, -1), channels),
            offsets=_corners(self.channels.bias.view(grid), channels),
        )

    def forward(self, h_PC: Tensor, shape: tuple[int, ...], cuts: Cuts) -> Tensor:
        """Values w_POIHW of blocks (out, in, height, width); out and in at most `max_channels`, height and
        width at most `max_kernel`. cuts: made by `cut` for this shape among others."""
        params, (out_channels, in_channels, height, width) = h_PC.shape[0], shape
        weight = cuts.spatial[height, width].reshape(height * width * MAP_CHANNELS, -1)
        bias = cuts.spatial_bias[height, width].reshape(-1)
        x_PSD = torch.relu(nn.functional.linear(h_PC, weight, bias)).view(
            params, height * width, MAP_CHANNELS
        )
        x_PSE = torch.relu(self.mix(x_PSD))
        rows = cuts.rows[out_channels, in_channels].reshape(out_channels * in_channels, -1)
        offset = cuts.offsets[out_channels, in_channels].reshape(-1)
        w_PSX = nn.functional.linear(x_PSE, rows, offset)
        return w_PSX.view(params, height, width, out_channels, in_channels).permute(0, 3, 4, 1, 2)

    @property
    def classifier_shape(self) -> tuple[int, int, int, int]:
        """Shape of the block that classifiers are made from."""
        return (self.max_channels, self.max_channels, 1, 1)

    def forward_classifier(self, h_PC: Tensor, cuts: Cuts) -> Tensor:
        """Values w_POI of classifier weights: O = num_classes, I = `max_channels`."""
        w_POI = self(h_PC, self.classifier_shape, cuts).flatten(2)
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


def _corners(grid: Tensor, sizes: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], Tensor]:
    """grid[:a, :b] for every size (a, b)."""
    partial = [size for size in sizes if size != tuple(grid.shape[:2])]
    found = dict.fromkeys(sizes, grid)
    if torch.is_grad_enabled() and grid.requires_grad and partial:
        found.update(zip(partial, _Corners.apply(grid, partial), strict=True))
    else:
        found.update({(a, b): grid[:a, :b] for a, b in partial})
    return found


class _Corners(torch.autograd.Function):
    """Several corners of one tensor, with one gradient for all of them."""

    @staticmethod
    def forward(ctx: Any, grid: Tensor, sizes: list[tuple[int, int]]) -> tuple[Tensor, ...]:  # type: ignore[override]
        ctx.sizes, ctx.shape = sizes, grid.shape
        return tuple(grid[:a, :b].clone(memory_format=torch.contiguous_format) for a, b in sizes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        total = gradients[0].new_zeros(ctx.shape)
        for (a, b), gradient in zip(ctx.sizes, gradients, strict=True):
            total[:a, :b] += gradient
        return total, None
