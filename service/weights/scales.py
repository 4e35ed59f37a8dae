"""How large predicted weights are, tensor by tensor, beside He initialisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np

from service.weights.blocks import Block, Provenance


@dataclass(frozen=True, slots=True)
class Scale:
    """One parameter. shape: in the user's own layout. std: standard deviation of its values. he: that of He
    initialisation; None for vectors, which have no fan-in.
    """

    name: str
    shape: tuple[int, ...]
    provenance: Provenance
    std: float
    he: float | None

    @property
    def layer(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def parameter(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def ratio(self) -> float | None:
        """std in units of He initialisation's: 1 is the same."""
        return None if self.he is None else self.std / self.he


def scales(blocks: Mapping[str, Block]) -> list[Scale]:
    """Of every parameter, in execution order. Expands one tensor at a time."""
    return [_scale(name, block) for name, block in blocks.items()]


def _scale(name: str, block: Block) -> Scale:
    values = block.expand()
    std = float(np.std(values, dtype=np.float64)) if values.size else 0.0
    return Scale(name, block.stored_shape, block.provenance, std, _he_std(block))


def _he_std(block: Block) -> float | None:
    """sqrt(2 / fan_in), the standard deviation that keeps the scale of activations through a ReLU (He et al.
    2015, equation 10).

    fan_in is the product of all axes but the first, in the canonical layout.
    """
    fan_in = prod(block.shape[1:])
    return sqrt(2 / fan_in) if len(block.shape) > 1 and fan_in else None
