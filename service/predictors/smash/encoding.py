"""Memory-bank networks as conditioning tensors (Brock et al. 2017, section 3.2, figure 2).

The tensor is one image. Its height runs through the inputs of all filters, one after the other; its width
through a filter's outputs, empty beyond them. A cell stands for `unit` input and `unit` output channels; its
channels describe the layer, and say which bank and which place within it the cell's inputs and outputs are.

Shape legend: C channels of the tensor, H height, W width, P position features
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.predictors.smash.config import SmashConfig
from service.predictors.smash.filters import Filter, Span, operation_length, role_length


@dataclass(frozen=True, slots=True)
class Region:
    """Where the weights of a filter are: rows `start` to `stop`, the first `columns`. inputs, outputs: of the
    channels that these cells stand for, those that the filter has; None where it has them all.
    """

    filter: Filter
    start: int
    stop: int
    columns: int
    inputs: Tensor | None
    outputs: Tensor | None


@dataclass(frozen=True, slots=True)
class Encoding:
    """condition_1CHW: float32. regions: one a filter."""

    condition_1CHW: Tensor
    regions: tuple[Region, ...]


def encode(filters: Sequence[Filter], config: SmashConfig) -> Encoding:
    length, positions = role_length(config) + operation_length(config), position_length(config)
    sides = [(_cells(one.inputs, config), _cells(one.outputs, config)) for one in filters]
    height, width = sum(len(rows) for rows, _ in sides), max(len(columns) for _, columns in sides)
    condition_CHW = np.zeros((length + 2 * positions, height, width), np.float32)
    regions, start = [], 0
    for one, (row_HP, column_WP) in zip(filters, sides, strict=True):
        stop, columns = start + len(row_HP), len(column_WP)
        here = condition_CHW[:, start:stop, :columns]
        here[:length] = np.array([*one.role, *one.operation], np.float32)[:, None, None]
        here[length : length + positions] = row_HP.T[:, :, None]
        here[length + positions :] = column_WP.T[:, None, :]
        inputs, outputs = _present(one.inputs, config.unit), _present(one.outputs, config.unit)
        regions.append(Region(one, start, stop, columns, inputs, outputs))
        start = stop
    return Encoding(torch.from_numpy(condition_CHW)[None], tuple(regions))


def condition_channels(config: SmashConfig) -> int:
    return role_length(config) + operation_length(config) + 2 * position_length(config)


def position_length(config: SmashConfig) -> int:
    return config.banks + max(config.bank_units, config.layer_units)


def permuted(filters: Sequence[Filter], random: np.random.Generator) -> tuple[Filter, ...]:
    """Every filter of a layer told that its layer does what another one's does: a corrupted encoding (paper,
    section 4.1). As it is where there is only one.
    """
    layers = [place for place, one in enumerate(filters) if one.in_layer]
    if len(layers) < 2:
        return tuple(filters)
    shift, result = int(random.integers(1, len(layers))), list(filters)
    for index, place in enumerate(layers):
        other = filters[layers[(index + shift) % len(layers)]]
        result[place] = replace(filters[place], operation=other.operation)
    return tuple(result)


def undescribed(filters: Sequence[Filter]) -> tuple[Filter, ...]:
    """No filter of a layer told what its layer does."""
    return tuple(
        replace(one, operation=(0.0,) * len(one.operation)) if one.in_layer else one for one in filters
    )


def _cells(spans: Sequence[Span], config: SmashConfig) -> NDArray[np.float32]:
    """Position features of each cell along a side: its bank, and its place within it, one-hot each."""
    cells = [(span.bank, place) for span in spans for place in range(ceil(span.channels / config.unit))]
    features = np.zeros((len(cells), position_length(config)), np.float32)
    for cell, (bank, place) in enumerate(cells):
        features[cell, bank] = features[cell, config.banks + place] = 1
    return features


def _present(spans: Sequence[Span], unit: int) -> Tensor | None:
    """Which channels of a side's cells there are; None for all of them."""
    if all(span.channels % unit == 0 for span in spans):
        return None
    present: list[int] = []
    start = 0
    for span in spans:
        present += range(start, start + span.channels)
        start += unit * ceil(span.channels / unit)
    return torch.tensor(present)
