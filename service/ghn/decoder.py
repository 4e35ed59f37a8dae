"""Node states to parameter values, before normalisation and tiling (GHN-2 paper, appendix B.1).

Shape legend: P parameters decoded together, C node state width, S positions = kernel height x width, O, I
output and input channels of the block (64 at most), D = 128 channels of the decoder's spatial map, E = 256;
GHN-3: D = 4C, E = 8C
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from service.ghn.config import GHNConfig

MAP_CHANNELS = 128
HIDDEN_CHANNELS = 256
VECTOR_HIDDEN = 64


@dataclass(frozen=True, slots=True)
class Cuts:
    """Parts of a decoder's weights. rows, offsets: of its last layer, by (out, in) for a `WeightDecoder`,
    which also has windows of its map by (height, width)."""

    rows: dict[tuple[int, ...], Tensor]
    offsets: dict[tuple[int, ...], Tensor]
    spatial: dict[tuple[int, ...], Tensor] = field(default_factory=dict)
    spatial_bias: dict[tuple[int, ...], Tensor] = field(default_factory=dict)


class BlockDecoder(nn.Module, ABC):
    """Node states to blocks of weights, and to those of classifiers. Classes below make `classifier` last:
    what is drawn for one seed depends on the order."""

    classifier: nn.Linear

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.max_channels, self.max_kernel = config.max_channels, config.max_kernel

    @abstractmethod
    def cut(self, shapes: Iterable[tuple[int, ...]]) -> Cuts:
        """The parts of the decoder's weights that blocks of these shapes (out, in, height, width) need."""

    @abstractmethod
    def forward(self, h_PC: Tensor, shape: tuple[int, ...], cuts: Cuts) -> Tensor:
        """Values w_POIHW of blocks (out, in, height, width); out and in at most `max_channels`, height and
        width at most `max_kernel`. cuts: made by `cut` for this shape among others."""

    @staticmethod
    def make_classifier(config: GHNConfig) -> nn.Linear:
        """Over the output axis of the block at the position of a 1x1 weight; the rows of one data set after
        those of another.
        """
        return nn.Linear(config.max_channels, sum(config.class_counts))

    @property
    def classifier_shape(self) -> tuple[int, int, int, int]:
        """Shape of the block that classifiers are made from."""
        return (self.max_channels, self.max_channels, 1, 1)

    def forward_classifier(self, h_PC: Tensor, cuts: Cuts) -> Tensor:
        """Values w_POI of classifier weights: O classes of all data sets, I = `max_channels`."""
        w_POI = self(h_PC, self.classifier_shape, cuts).flatten(2)
        return self.classifier(torch.relu(w_POI).transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]


class WeightDecoder(BlockDecoder):
    """Linear(C -> D*K*K), ReLU, 1x1 conv D -> E, ReLU, 1x1 conv E -> 64*64, giving a (64, 64, K, K) map of
    which the top-left corner is used; GHN-3's centre, row K // 2 being that of a 1x1 weight. Only what is
    asked for is computed: a 1x1 weight needs one of the K*K positions.
    """

    def __init__(self, config: GHNConfig) -> None:
        super().__init__(config)
        self.centred = config.is_transformer
        self.map_channels = 4 * config.hidden if config.is_transformer else MAP_CHANNELS
        hidden = 8 * config.hidden if config.is_transformer else HIDDEN_CHANNELS
        self.spatial = nn.Linear(config.hidden, self.map_channels * config.max_kernel**2)
        self.mix = nn.Linear(self.map_channels, hidden)
        self.channels = nn.Linear(hidden, config.max_channels**2)
        self.classifier = self.make_classifier(config)

    def cut(self, shapes: Iterable[tuple[int, ...]]) -> Cuts:
        """All at once, because the gradient of a slice is as large as what it was cut from: cutting a group
        at a time would fill and add megabytes of zeros for every group."""
        shapes = list(shapes)
        size, grid = self.max_kernel, (self.max_channels, self.max_channels)
        # Positions before channels: the 1x1 convolutions are then plain products over the last axis.
        spatial = self.spatial.weight.view(self.map_channels, size, size, -1).permute(1, 2, 0, 3)
        spatial_bias = self.spatial.bias.view(self.map_channels, size, size).permute(1, 2, 0)
        kernels = sorted({shape[2:] for shape in shapes})
        channels = sorted({shape[:2] for shape in shapes})
        return Cuts(
            spatial=_windows(spatial, kernels, centred=self.centred),
            spatial_bias=_windows(spatial_bias, kernels, centred=self.centred),
            rows=_windows(self.channels.weight.view(*grid, -1), channels),
            offsets=_windows(self.channels.bias.view(grid), channels),
        )

    def forward(self, h_PC: Tensor, shape: tuple[int, ...], cuts: Cuts) -> Tensor:
        params, (out_channels, in_channels, height, width) = h_PC.shape[0], shape
        weight = cuts.spatial[height, width].reshape(height * width * self.map_channels, -1)
        bias = cuts.spatial_bias[height, width].reshape(-1)
        x_PSD = torch.relu(nn.functional.linear(h_PC, weight, bias)).view(
            params, height * width, self.map_channels
        )
        x_PSE = torch.relu(self.mix(x_PSD))
        rows = cuts.rows[out_channels, in_channels].reshape(out_channels * in_channels, -1)
        offset = cuts.offsets[out_channels, in_channels].reshape(-1)
        w_PSX = nn.functional.linear(x_PSE, rows, offset)
        return w_PSX.view(params, height, width, out_channels, in_channels).permute(0, 3, 4, 1, 2)


class VectorDecoder(nn.Module):
    """MLP 32-64-128 viewed as 2 x 64: row 0 is a norm's weight, row 1 a bias. GHN-3: C-2C-128."""

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.max_channels = config.max_channels
        inner = 2 * config.hidden if config.is_transformer else VECTOR_HIDDEN
        self.first = nn.Linear(config.hidden, inner)
        self.second = nn.Linear(inner, 2 * config.max_channels)
        self.classifier = nn.Linear(config.max_channels, sum(config.class_counts))

    def forward(self, h_PC: Tensor) -> Tensor:
        """v_P2O: row 0 norm weights, row 1 biases."""
        return self.second(torch.relu(self.first(h_PC))).view(-1, 2, self.max_channels)  # type: ignore[no-any-return]

    def forward_classifier(self, h_PC: Tensor) -> Tensor:
        """Classifier biases v_PO, O classes of all data sets."""
        return self.classifier(torch.relu(self(h_PC)[:, 1]))  # type: ignore[no-any-return]


def _windows(
    grid: Tensor, sizes: Sequence[tuple[int, ...]], *, centred: bool = False
) -> dict[tuple[int, ...], Tensor]:
    """grid[:a, :b] for every size (a, b), or as much of it around its middle."""
    partial = [size for size in sizes if size != tuple(grid.shape[:2])]
    places = [
        tuple(_span(size, full, centred) for size, full in zip(s, grid.shape, strict=False)) for s in partial
    ]
    windows = dict.fromkeys(sizes, grid)
    if torch.is_grad_enabled() and grid.requires_grad and partial:
        windows.update(zip(partial, _Windows.apply(grid, places), strict=True))
    else:
        windows.update({size: grid[place] for size, place in zip(partial, places, strict=True)})
    return windows


def _span(size: int, full: int, centred: bool) -> slice:
    first = full // 2 - size // 2 if centred else 0
    return slice(first, first + size)


class _Windows(torch.autograd.Function):
    """Several windows of one tensor, with one gradient for all of them."""

    @staticmethod
    def forward(ctx: Any, grid: Tensor, places: list[tuple[slice, slice]]) -> tuple[Tensor, ...]:  # type: ignore[override]
        ctx.places, ctx.shape = places, grid.shape
        return tuple(grid[place].clone(memory_format=torch.contiguous_format) for place in places)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        total = gradients[0].new_zeros(ctx.shape)
        for place, gradient in zip(ctx.places, gradients, strict=True):
            total[place] += gradient
        return total, None
