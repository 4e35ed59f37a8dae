"""The chart of predicted weights: how large they are, layer by layer, beside He initialisation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from service.plots.chart import Chart, in_house_style
from service.plots.style import BLUE, GREEN, GREY, ORANGE
from service.weights.blocks import Provenance
from service.weights.scales import Scale

# Layers that have room for a name each.
_MOST_NAMES = 60
_COLOURS = {Provenance.PREDICTED: BLUE, Provenance.TILED: GREEN, Provenance.DEFAULTED: ORANGE}
_LABELS = {
    Provenance.PREDICTED: "predicted",
    Provenance.TILED: "tiled from a smaller prediction",
    Provenance.DEFAULTED: "standard initialisation",
}


@in_house_style
def weights_chart(scales: Iterable[Scale], *, title: str) -> Chart:
    """scales: of a network's parameters, in execution order; vectors (biases, norms) are not drawn, for they
    have no fan-in. Tensors without any spread, which have no place on a logarithmic axis, are left out too.
    """
    drawn = [scale for scale in scales if scale.he is not None and scale.std > 0]
    named = len(drawn) <= _MOST_NAMES
    chart = Chart(max(8.0, 3.0 + 0.16 * len(drawn)) if named else 8.0, 4.4 if named else 4.0)
    (axes,) = chart.panels()
    place = range(len(drawn))
    axes.step(place, [scale.he or 0.0 for scale in drawn], where="mid", color=GREY, label="He initialisation")
    for provenance, colour in _COLOURS.items():
        _points(axes, drawn, provenance, colour)
    if drawn:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    if named:
        axes.set_xticks(list(place), [scale.name for scale in drawn], rotation=90, fontsize=7.5)
        axes.grid(visible=False, axis="x")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("weight tensor, in order of execution")
    axes.set_ylabel("standard deviation of the weights")
    axes.margins(x=0.02)
    axes.set_title(title)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return chart


def _points(axes: Axes, scales: Sequence[Scale], provenance: Provenance, colour: str) -> None:
    points = [(place, scale.std) for place, scale in enumerate(scales) if scale.provenance is provenance]
    if points:
        axes.plot(*zip(*points, strict=True), "o", color=colour, markersize=5, label=_LABELS[provenance])
