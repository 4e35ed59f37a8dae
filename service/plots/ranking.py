"""The chart of a ranking: predicted values with their intervals, best first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from service.plots.chart import Chart, in_house_style
from service.plots.style import BLUE, INK

# Rows that have room for a name each.
_MOST_NAMES = 40
_LONGEST_NAME = 36

Row = Mapping[str, Any]


@in_house_style
def ranking_chart(answer: Mapping[str, Any], *, name: Callable[[Row], str] | None = None) -> Chart:
    """answer: `property`, `predictor`, `ranking` with rows of `rank`, `index`, `name`, `score` and, where the
    predictor says them, `value` and `interval` (90%) in a `unit`.

    name: what to call a row; its own name or its number otherwise.

    Up to 40 architectures are listed by name; more are a curve over the rank.
    """
    rows = [row for row in answer["ranking"] if row["score"] is not None]
    has_values = bool(rows) and all(row.get("value") is not None for row in rows)
    what = _label(answer, has_values)
    if len(rows) <= _MOST_NAMES:
        chart = Chart(7.0, 1.2 + 0.22 * max(3, len(rows)))
        (axes,) = chart.panels()
        _listed(axes, rows, has_values, [_shortened((name or _name)(row)) for row in rows])
        axes.set_xlabel(what)
    else:
        chart = Chart(7.0, 4.0)
        (axes,) = chart.panels()
        _over_ranks(axes, rows, has_values)
        axes.set(xlabel="rank", ylabel=what)
    axes.set_title(_title(answer, rows))
    if has_values and any(row.get("interval") for row in rows):
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return chart


def _listed(axes: Axes, rows: Sequence[Row], has_values: bool, names: Sequence[str]) -> None:
    place = np.arange(len(rows))
    axes.plot(_points(rows, has_values), place, "o", color=BLUE, markersize=5, zorder=3, label="predicted")
    if has_values and all(row.get("interval") for row in rows):
        low, high = np.array([row["interval"] for row in rows]).T
        axes.hlines(place, low, high, color=BLUE, alpha=0.45, linewidth=2.2, label="90% interval")
    axes.set_yticks(place, names)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(max(len(rows), 3) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)


def _over_ranks(axes: Axes, rows: Sequence[Row], has_values: bool) -> None:
    ranks = [row["rank"] for row in rows]
    axes.plot(ranks, _points(rows, has_values), color=BLUE, label="predicted")
    if has_values and all(row.get("interval") for row in rows):
        low, high = np.array([row["interval"] for row in rows]).T
        axes.fill_between(ranks, low, high, color=BLUE, alpha=0.18, linewidth=0, label="90% interval")
    axes.margins(x=0.01)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _points(rows: Sequence[Row], has_values: bool) -> list[float]:
    return [float(row["value" if has_values else "score"]) for row in rows]


def _label(answer: Mapping[str, Any], has_values: bool) -> str:
    if not has_values:
        return f"score for {answer['property']}, without a unit"
    return f"predicted {answer['property']}" + (f", {answer['unit']}" if answer.get("unit") else "")


def _title(answer: Mapping[str, Any], rows: Sequence[Row]) -> str:
    last = len(answer["ranking"]) - len(rows)
    beside = f", {last:,} without a score not shown" if last else ""
    by = f"the predictor {answer['predictor']}" if answer.get("predictor") else answer["property"]
    return f"{len(rows):,} architectures ranked by {by}{beside}"


def _name(row: Row) -> str:
    return row.get("name") or f"number {row['index'] + 1}"


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
