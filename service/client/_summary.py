"""Predicted weights as a table of plain text: what is there, where it comes from, and how large it is."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt

import numpy as np

from service.weights.blocks import Block, WeightBlocks

_HEADINGS = ("layer", "parameter", "shape", "from", "std", "He std", "std/He")
_NUMBERS = frozenset({"std", "He std", "std/He"})  # to the right, so that magnitudes can be compared


def he_std(block: Block) -> float | None:
    """sqrt(2 / fan_in), the standard deviation that keeps the scale of activations through a ReLU (He et al.
    2015, equation 10); None for vectors, which have no fan-in.

    fan_in is the product of all axes but the first, in the canonical layout.
    """
    fan_in = prod(block.shape[1:])
    return sqrt(2 / fan_in) if len(block.shape) > 1 and fan_in else None


def table(weights: WeightBlocks) -> str:
    """A line for each parameter, its layer's name on the first of them, and a total for each provenance."""
    rows = list(_rows(weights.blocks))
    widths = [max(len(row[column]) for row in (_HEADINGS, *rows)) for column in range(len(_HEADINGS))]
    lines = [_line(_HEADINGS, widths), "  ".join("-" * width for width in widths)]
    return "\n".join([*lines, *(_line(row, widths) for row in rows), *_totals(weights)])


def _rows(blocks: Mapping[str, Block]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    last_layer = None
    for name, block in blocks.items():
        layer, _, parameter = name.rpartition(".")
        values = block.expand()
        std = float(np.std(values, dtype=np.float64)) if values.size else 0.0
        he = he_std(block)
        rows.append(
            (
                "" if layer == last_layer else layer,
                parameter,
                "x".join(map(str, block.stored_shape)) or "scalar",
                str(block.provenance),
                f"{std:.2e}",
                "" if he is None else f"{he:.2e}",
                "" if he is None else f"{std / he:.2f}",
            )
        )
        last_layer = layer
    return rows


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        cell.rjust(width) if heading in _NUMBERS else cell.ljust(width)
        for heading, cell, width in zip(_HEADINGS, row, widths, strict=True)
    ]
    return "  ".join(cells).rstrip()


def _totals(weights: WeightBlocks) -> list[str]:
    tensors: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for block in weights.blocks.values():
        tensors[block.provenance] = tensors.get(block.provenance, 0) + 1
        numbers[block.provenance] = numbers.get(block.provenance, 0) + block.numel
    parts = [f"{tensors[origin]} {origin} ({numbers[origin]:,} numbers)" for origin in tensors]
    return [
        f"{len(weights.blocks)} tensors, {weights.num_parameters:,} parameters, "
        f"{weights.coverage:.1%} from {weights.model}: {', '.join(parts)}"
    ]
