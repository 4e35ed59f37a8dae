"""The chart of a fitted predictor: what it said of observations that it had not learned from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from service.plots.chart import Chart, in_house_style
from service.plots.style import BLUE, GREY


@in_house_style
def predictor_chart(fitted: Mapping[str, Any], *, measured: str | None = None) -> Chart:
    """fitted: `model` or `name`, `kendall_tau_cv`, its `interval`, and `held_out`: pairs of `value` and
    `predicted` from cross-validation, in units of the observations.

    measured: what the values are; the predictor's `property` otherwise.
    """
    what = measured or fitted["property"]
    pairs = np.array([(pair["value"], pair["predicted"]) for pair in fitted["held_out"]]).reshape(-1, 2)
    chart = Chart(4.8, 4.8)
    (axes,) = chart.panels()
    low, high = _span(pairs)
    axes.plot((low, high), (low, high), color=GREY, linewidth=1, label="predicted as measured")
    axes.plot(*pairs.T, "o", color=BLUE, alpha=_opacity(len(pairs)), markersize=4.5, markeredgewidth=0)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set(xlabel=f"measured {what}", ylabel=f"predicted {what}, from the other observations")
    axes.legend(loc="upper left")
    tau_low, tau_high = fitted["interval"]
    axes.set_title(
        f"{fitted.get('name') or fitted['model']}: {len(pairs):,} held-out observations\n"
        f"Kendall's tau {fitted['kendall_tau_cv']:.2f} (90% interval {tau_low:.2f} to {tau_high:.2f})"
    )
    return chart


def _span(pairs: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float]:
    """The same for both axes, with a margin."""
    if not pairs.size:
        return 0.0, 1.0
    low, high = float(pairs.min()), float(pairs.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def _opacity(points: int) -> float:
    """Many points show their density."""
    return 0.75 if points <= 200 else 0.35
