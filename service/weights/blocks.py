"""A parameter as a small block that is repeated and scaled to its target shape.

A GHN decodes at most 64 x 64 channels; wider tensors repeat that block (GHN-2 paper, appendix B.1). Keeping the block and
expanding late is what makes answers small: this module is the single place that expands, on the worker, in the command line
and in the client, so that all of them give the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}


class Provenance(StrEnum):
    """Where the values of a parameter come from."""

    PREDICTED = "predicted"  # decoded by the GHN at its full shape
    TILED = "tiled"  # decoded by the GHN, then repeated to reach the shape
    DEFAULTED = "defaulted"  # the GHN has no decoder for it: initialised by the field's standard rule


@dataclass(frozen=True, slots=True)
class Block:
    """values: float32, as many axes as `shape`, in canonical layout.
    shape: target shape in canonical layout.
    scale: every value is multiplied by it (float32) before it is repeated.
    axes: permutation from the stored to the canonical layout (`archgraph.Parameter.axes`), None when they agree.
    """

    values: NDArray[np.float32]
    shape: tuple[int, ...]
    scale: float
    axes: tuple[int, ...] | None
    provenance: Provenance

    @property
    def stored_shape(self) -> tuple[int, ...]:
        if self.axes is None:
            return self.shape
        return tuple(self.shape[self.axes.index(axis)] for axis in range(len(self.shape)))

    @property
    def numel(self) -> int:
        return prod(self.shape)

    def expand(self, dtype: str = "float32") -> Array:
        """The full tensor in the user's own layout, contiguous."""
        values = self.values if self.scale == 1.0 else self.values * np.float32(self.scale)
        full = _repeat(values.astype(DTYPES[dtype], copy=False), self.shape)
        if self.axes is not None:
            full = full.transpose([self.axes.index(axis) for axis in range(len(self.axes))])
        return np.ascontiguousarray(full)


def _repeat(block: Array, shape: tuple[int, ...]) -> Array:
    """Repeat a block along every axis, and cut it, to the target shape: out[i, ...] = block[i mod block.shape[0], ...]."""
    block = block[tuple(slice(0, size) for size in shape)]
    if block.shape == shape:
        return block
    if any(size % have for size, have in zip(shape, block.shape, strict=True)):
        # Each axis that does not divide evenly is indexed; the rest of the work is the broadcast below.
        for axis, (size, have) in enumerate(zip(shape, block.shape, strict=True)):
            if size % have:
                block = np.take(block, np.arange(size) % have, axis=axis)
    repeats = tuple(size // have for size, have in zip(shape, block.shape, strict=True))
    out = np.empty(shape, dtype=block.dtype)
    # (r0, b0, r1, b1, ...): one strided copy writes every element once.
    split = [part for pair in zip(repeats, block.shape, strict=True) for part in pair]
    out.reshape(split)[...] = block.reshape([part for have in block.shape for part in (1, have)])
    return out


@dataclass(frozen=True, slots=True)
class WeightBlocks:
    """The answer for one network: a block for every trainable parameter, in execution order.

    model: name of the checkpoint; model_digest: its content digest.
    """

    blocks: Mapping[str, Block]
    model: str
    model_digest: str

    @property
    def num_parameters(self) -> int:
        return sum(block.numel for block in self.blocks.values())

    @property
    def coverage(self) -> float:
        """Share of the parameters (counted in numbers, not tensors) whose values come from the GHN, 0 to 1."""
        total = self.num_parameters
        predicted = sum(b.numel for b in self.blocks.values() if b.provenance is not Provenance.DEFAULTED)
        return predicted / total if total else 1.0

    @property
    def defaulted(self) -> tuple[str, ...]:
        return tuple(name for name, block in self.blocks.items() if block.provenance is Provenance.DEFAULTED)

    def expand(self, dtype: str = "float32") -> dict[str, Array]:
        """Every parameter at its full shape."""
        return {name: block.expand(dtype) for name, block in self.blocks.items()}
