"""What a predictor said of architectures, as cells of a table: values with their units and intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Protocol

_MOST_NUMBERS = 10


class Scored(Protocol):
    @property
    def score(self) -> float | None: ...
    @property
    def value(self) -> float | None: ...
    @property
    def interval(self) -> list[float] | None: ...


Rows = Sequence[Scored]


def headings(rows: Rows, unit: str) -> tuple[str, ...]:
    """Value and interval where the predictor gives them, else its score."""
    if not _has_values(rows):
        return ("score",)
    return (f"value, {unit}" if unit else "value", "90% interval")


def cells(row: Scored, rows: Rows) -> tuple[str, ...]:
    if not _has_values(rows):
        return ("-" if row.score is None else f"{row.score:.4f}",)
    if row.value is None:
        return ("-", "")
    interval = row.interval
    return (number(row.value), "" if not interval else f"{number(interval[0])} to {number(interval[1])}")


def number(value: float) -> str:
    """Four significant digits, without an exponent where that is readable."""
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def ranks(rows: Rows) -> list[int]:
    """Places from 1; equal scores share one."""
    places: list[int] = []
    for place, row in enumerate(rows, start=1):
        is_tie = place > 1 and row.score is not None and row.score == rows[place - 2].score
        places.append(places[-1] if is_tie else place)
    return places


def grouped(reasons: Iterable[tuple[str, int]], unit: str) -> list[str]:
    """(reason, number of the line) of each that was skipped: a line of text for each reason."""
    by_reason = sorted(reasons, key=lambda pair: pair[0])
    lines = []
    for reason, pairs in groupby(by_reason, key=lambda pair: pair[0]):
        numbers = [number for _, number in pairs]
        shown = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
        more = ", ..." if len(numbers) > _MOST_NUMBERS else ""
        count = f"{len(numbers)} {unit}s" if len(numbers) > 1 else f"1 {unit}"
        lines.append(f"{count} skipped ({reason.rstrip('.')}): {shown}{more}")
    return lines


def _has_values(rows: Rows) -> bool:
    return any(row.value is not None for row in rows)
