"""Predicted weights as a table of plain text: what is there, where it comes from, and how large it is."""

from __future__ import annotations

from collections.abc import Iterable

from service.weights.blocks import WeightBlocks
from service.weights.scales import Scale, scales

_HEADINGS = ("layer", "parameter", "shape", "from", "std", "He std", "std/He")
_NUMBERS = frozenset({"std", "He std", "std/He"})  # to the right, so that magnitudes can be compared


def table(weights: WeightBlocks) -> str:
    """A line for each parameter, its layer's name on the first of them, and a total for each provenance."""
    rows = _rows(scales(weights.blocks))
    widths = [max(len(row[column]) for row in (_HEADINGS, *rows)) for column in range(len(_HEADINGS))]
    lines = [_line(_HEADINGS, widths), "  ".join("-" * width for width in widths)]
    return "\n".join([*lines, *(_line(row, widths) for row in rows), *_totals(weights)])


def _rows(deviations: Iterable[Scale]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    last_layer = None
    for scale in deviations:
        rows.append(
            (
                "" if scale.layer == last_layer else scale.layer,
                scale.parameter,
                "x".join(map(str, scale.shape)) or "scalar",
                str(scale.provenance),
                f"{scale.std:.2e}",
                "" if scale.he is None else f"{scale.he:.2e}",
                "" if scale.ratio is None else f"{scale.ratio:.2f}",
            )
        )
        last_layer = scale.layer
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
