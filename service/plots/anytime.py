"""The chart of networks that may be stopped at any time: accuracy over multiply-adds, a step at each exit
(GHN-1 paper, figure 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.ticker import EngFormatter

from service.plots.chart import Chart, in_house_style

Curve = Sequence[tuple[float, float]]


@in_house_style
def anytime_chart(curves: Mapping[str, Curve], *, budget: float | None = None) -> Chart:
    """curves: by the name of a network, of its exits in order (multiply-adds, accuracy in percent). budget:
    where the area under the curves ends; the dearest exit without one.
    """
    chart = Chart(6.0, 3.8)
    (axes,) = chart.panels()
    end = budget or max(cost for curve in curves.values() for cost, _ in curve)
    for name, curve in curves.items():
        # Each exit counts until the next one answers, the last until the end.
        points = [*curve, (max(end, curve[-1][0]), curve[-1][1])]
        (line,) = axes.step(*zip(*points, strict=True), where="post", label=name)
        axes.plot(*zip(*curve, strict=True), "o", color=line.get_color(), markersize=4)
    if budget is not None:
        axes.axvline(budget, linestyle=":", color="grey")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set(xlabel="multiply-adds of an image", ylabel="accuracy, %")
    axes.set_title("Accuracy by the work that was done when the network was stopped")
    axes.legend(loc="lower right")
    return chart
