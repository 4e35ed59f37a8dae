"""Encodes the shape of a node's parameter (GHN-2 paper, appendix B.1).

Shape legend: N nodes, C node feature width
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache

import torch
from torch import Tensor, nn

from service.ghn.config import GHNConfig


@lru_cache(maxsize=16)
def channel_vocabulary(num_classes: int) -> tuple[int, ...]:
    """Channel counts with an embedding of their own; coarser where networks rarely differ."""
    return tuple(sorted({1, 3, num_classes, *range(8, 64, 8), *range(64, 4096, 16), *range(4096, 8193, 32)}))


@lru_cache(maxsize=16)
def spatial_vocabulary(max_kernel: int) -> tuple[int, ...]:
    return tuple(sorted({*range(1, max(12, max_kernel), 2), 14, 16}))


def nearest(vocabulary: tuple[int, ...], value: int) -> int:
    """Index of the nearest entry; the smaller of two equally near ones; the last for anything larger."""
    above = bisect_left(vocabulary, value)
    if above == len(vocabulary):
        return above - 1
    if above == 0 or vocabulary[above] == value:
        return above
    return above if vocabulary[above] - value < value - vocabulary[above - 1] else above - 1


def channel_index(value: int, num_classes: int) -> int:
    vocabulary = channel_vocabulary(num_classes)
    # 4 to 7 channels count as 8, unless the class count gave one of them an entry.
    if 4 <= value <= 7 and value != num_classes:
        value = 8
    return nearest(vocabulary, value)


def spatial_index(value: int, max_kernel: int) -> int:
    return nearest(spatial_vocabulary(max_kernel), 3 if value == 2 else value)


def to_four_axes(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(out, in, height, width) of a parameter shape with any number of axes.

    The depth of a 3-D convolution is left out: its kernels are cubes almost always.
    """
    if len(shape) >= 5:
        return shape[0], shape[1], shape[-2], shape[-1]
    out, inp, height, width = (*shape, 1, 1, 1, 1)[:4]
    return out, inp, height, width


@lru_cache(maxsize=65536)
def shape_indices(
    shape: tuple[int, ...] | None, num_classes: int, max_kernel: int
) -> tuple[int, int, int, int]:
    """Rows of the channel (out, in) and spatial (height, width) tables for a shape; the last rows stand for
    "no shape"."""
    if shape is None:
        no_channel, no_space = len(channel_vocabulary(num_classes)), len(spatial_vocabulary(max_kernel))
        return no_channel, no_channel, no_space, no_space
    out, inp, height, width = to_four_axes(shape)
    return (
        channel_index(out, num_classes),
        channel_index(inp, num_classes),
        spatial_index(height, max_kernel),
        spatial_index(width, max_kernel),
    )


class ShapeEncoder(nn.Module):
    """concat(channel[out], channel[in], spatial[height], spatial[width])."""

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        width = config.hidden // 4
        self.channel = nn.Embedding(len(channel_vocabulary(config.num_classes)) + 1, width)
        self.spatial = nn.Embedding(len(spatial_vocabulary(config.max_kernel)) + 1, width)

    def forward(self, shape_N4: Tensor) -> Tensor:
        """shape_N4: int64 rows of `shape_indices`. Returns x_NC."""
        channels = self.channel(shape_N4[:, :2]).flatten(1)
        spaces = self.spatial(shape_N4[:, 2:]).flatten(1)
        return torch.cat([channels, spaces], dim=1)
