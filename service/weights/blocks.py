"""A parameter as a small block that is repeated and scaled to its target shape.

A GHN decodes at most 64 x 64 channels; wider tensors repeat that block (GHN-2 paper, appendix B.1).
Keeping the block and expanding late is what makes answers small: this module is the single place that
expands, on the worker, in the command line and in the client, so that all of them give the same bits.
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

ALIGNMENT_BYTES = 64  # a cache line, and what vector instructions like best


class Provenance(StrEnum):
    """Where the values of a parameter come from."""

    PREDICTED = "predicted"  # decoded by the GHN at its full shape
    TILED = "tiled"  # decoded by the GHN, then repeated to reach the shape
    DEFAULTED = "defaulted"  # the GHN has no decoder for it: initialised by the field's standard rule


def shares(numbers: Mapping[str, int]) -> str:
    """Percent of the numbers by provenance, in words: 24% predicted, 76% tiled."""
    total = sum(numbers.values())
    parts = [(name, 100 * count / total) for name, count in numbers.items() if count]
    return ", ".join(f"{_percent(share)} {name}" for name, share in parts) or "nothing"


def _percent(share: float) -> str:
    """Never 0% of something, nor 100% of less than all."""
    if 0 < share < 1 or 99 < share < 100:
        return f"{share:.2g}%" if share < 1 else f"{share:.1f}%" if share < 99.95 else ">99.9%"
    return f"{share:.0f}%"


@dataclass(frozen=True, slots=True)
class Block:
    """values: float32, as many axes as `shape`, in canonical layout.
    shape: target shape in canonical layout.
    scale: every value is multiplied by it (float32) before it is repeated.
    axes: permutation from the stored to the canonical layout (`archgraph.Parameter.axes`), None when they
    agree.
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

    def scaled(self, dtype: str = "float32") -> Array:
        """The block itself, scaled and cast, in the user's own layout: as many axes as the shape, none
        longer than it.
        """
        values = self.values if self.scale == 1.0 else self.values * np.float32(self.scale)
        # Cast before repeating: the same bits, at the cost of the block instead of the tensor.
        values = values[tuple(slice(0, size) for size in self.shape)].astype(DTYPES[dtype], copy=False)
        if self.axes is None:
            return values
        return values.transpose([self.axes.index(axis) for axis in range(len(self.axes))])

    def expand(self, dtype: str = "float32", *, out: Array | None = None) -> Array:
        """The full tensor in the user's own layout, contiguous.

        out: a contiguous array of `stored_shape` and of this dtype to write into, which is then returned.
        """
        if out is None:
            out = np.empty(self.stored_shape, dtype=DTYPES[dtype])
        repeat_into(np.asarray(self.scaled(dtype), order="C"), out)
        return out


def repeat_into(block: Array, out: Array) -> None:
    """Repeat a contiguous block along every axis to fill `out`: out[i, ...] = block[i mod block.shape[0],
    ...].

    Works from the last axis that grows to the first. All but the first of these steps make small arrays that
    stay in the processor's cache, so the large one is written once and nearly nothing is read: as fast as a
    memory copy.
    """
    if not out.flags.c_contiguous:
        raise ValueError("repeat_into needs a contiguous array to write to")
    growing = [
        axis for axis, (size, have) in enumerate(zip(out.shape, block.shape, strict=True)) if size != have
    ]
    if not growing:
        out[...] = block
        return
    for axis in reversed(growing):
        have, size = block.shape[axis], out.shape[axis]
        grown = (
            out
            if axis == growing[0]
            else np.empty((*block.shape[:axis], size, *block.shape[axis + 1 :]), dtype=block.dtype)
        )
        outer, inner = prod(block.shape[:axis]), prod(block.shape[axis + 1 :])
        source, target = block.reshape(outer, have * inner), grown.reshape(outer, size * inner)
        whole = size // have * have * inner
        target[:, :whole].reshape(outer, size // have, have * inner)[...] = source[:, None, :]
        if whole < size * inner:
            target[:, whole:] = source[:, : size * inner - whole]
        block = grown


@dataclass(frozen=True, slots=True)
class WeightBlocks:
    """The answer for one network: a block for every trainable parameter, in execution order.

    model: name of the checkpoint; model_digest: its content digest.
    dtype: the number format of the answer, one of DTYPES; what `expand` makes unless told otherwise.
    """

    blocks: Mapping[str, Block]
    model: str
    model_digest: str
    dtype: str = "float32"

    @property
    def num_parameters(self) -> int:
        return sum(block.numel for block in self.blocks.values())

    @property
    def coverage(self) -> float:
        """Share of the parameters (counted in numbers, not tensors) whose values come from the GHN, 0 to
        1.
        """
        total = self.num_parameters
        predicted = sum(b.numel for b in self.blocks.values() if b.provenance is not Provenance.DEFAULTED)
        return predicted / total if total else 1.0

    @property
    def numbers(self) -> dict[str, int]:
        """How many numbers were predicted, tiled and defaulted."""
        counts = dict.fromkeys(map(str, Provenance), 0)
        for block in self.blocks.values():
            counts[block.provenance] += block.numel
        return counts

    @property
    def defaulted(self) -> tuple[str, ...]:
        return tuple(name for name, block in self.blocks.items() if block.provenance is Provenance.DEFAULTED)

    def expand(self, dtype: str | None = None) -> dict[str, Array]:
        """Every parameter at its full shape, in the user's own layout.

        The arrays are parts of one allocation: the system hands out one large piece of memory much faster
        than hundreds of small ones (ResNet-50: 18 instead of 30 ms). To hold fewer at a time, expand the
        blocks one by one.
        """
        number_format = dtype or self.dtype
        itemsize = DTYPES[number_format].itemsize
        starts: list[int] = []
        total_bytes = 0
        for block in self.blocks.values():
            starts.append(total_bytes)
            total_bytes += -(-block.numel * itemsize // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        memory = np.empty(total_bytes, dtype=np.uint8)
        expanded: dict[str, Array] = {}
        for (name, block), start in zip(self.blocks.items(), starts, strict=True):
            part = memory[start : start + block.numel * itemsize]
            out = part.view(DTYPES[number_format]).reshape(block.stored_shape)
            expanded[name] = block.expand(number_format, out=out)
        return expanded
