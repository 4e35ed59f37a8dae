"""The chart of a search: how the best score rose, and what nothing surpasses in two objectives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator

from service.plots.chart import Chart, in_house_style
from service.plots.style import BLUE, GREEN, ORANGE


@in_house_style
def search_chart(answer: Mapping[str, Any]) -> Chart:
    """answer: `space`, `predictor`, `evaluations`, `curve` (points of `evaluations` and `best`), `best` and,
    with a `trade_off`, `front` (entries of `score` and `costs`).
    """
    front = answer.get("front") or []
    chart = Chart(9.0 if front else 6.0, 3.8)
    panels = chart.panels(2 if front else 1)
    _progress(panels[0], answer)
    if front:
        _front(panels[1], answer)
    return chart


def _progress(axes: Axes, answer: Mapping[str, Any]) -> None:
    points = [(point["evaluations"], point["best"]) for point in answer["curve"]]
    if points:
        points.append((answer["evaluations"], points[-1][1]))  # the end, although nothing better came
        axes.step(*zip(*points, strict=True), where="post", color=BLUE)
        axes.plot(*points[-2], "o", color=BLUE, markersize=5)
    axes.set(xlabel="architectures scored", ylabel=f"best score so far ({answer['predictor']})")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlim(left=0)
    axes.set_title(f"Search of {answer['space']}")


def _front(axes: Axes, answer: Mapping[str, Any]) -> None:
    front = answer["front"]
    name = answer.get("trade_off") or next(iter(front[0]["costs"]))
    # Values where the predictor says them: they have a unit.
    field = "value" if all(entry.get("value") is not None for entry in front) else "score"
    points = sorted((entry["costs"][name], entry[field]) for entry in front)
    others = [
        (entry["costs"][name], entry[field])
        for entry in answer["best"]
        if name in entry["costs"] and entry.get(field) is not None
    ]
    axes.step(*zip(*points, strict=True), where="post", color=GREEN, linewidth=1, alpha=0.6)
    axes.plot(*zip(*points, strict=True), "o", color=GREEN, markersize=5, label="on the front")
    if others:
        axes.plot(
            *zip(*others, strict=True), "o", color=ORANGE, markersize=8, markerfacecolor="none",
            label=f"best {len(others)} by score alone",
        )  # fmt: skip
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    quantity = f"predicted {answer.get('property') or 'value'}" if field == "value" else "score"
    unit = f", {answer['unit']}" if field == "value" and answer.get("unit") else ""
    axes.set(xlabel=name.replace("_", "-"), ylabel=f"{quantity}{unit}")
    axes.legend(loc="best")
    axes.set_title(f"{quantity.capitalize()} against {name.replace('_', '-')}")
