"""The chart of a training run: loss, and accuracy in training and validation, over the steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator

from service.plots.chart import Chart, in_house_style
from service.plots.style import BLUE, ORANGE

# Steps are noisy: beside the raw line, a mean over so large a part of the run.
_SMOOTHED_PART = 0.05
_FEWEST_SMOOTHED = 40

Record = Mapping[str, Any]


@in_house_style
def training_chart(records: Iterable[Record], *, name: str = "training") -> Chart:
    """records: lines of a run's `metrics.jsonl`, or the `data` of a job's events `metrics`. Those of the kind
    `train` have `step`, `loss` and `accuracy` (percent of the batch), those of the kind `validation` have
    `mean` (percent, of unseen networks).
    """
    lines = list(records)
    steps = _last_of_each_step(record for record in lines if record.get("kind") == "train")
    validations = _last_of_each_step(record for record in lines if record.get("kind") == "validation")
    chart = Chart(9.0, 3.6)
    loss, accuracy = chart.panels(2)
    _line(loss, steps, "loss", BLUE, "training")
    _line(accuracy, steps, "accuracy", BLUE, "batch, in training")
    if validations:
        points = [(record["step"], record["mean"]) for record in validations]
        label = f"validation, {validations[-1].get('networks', 'unseen')} unseen networks"
        accuracy.plot(*zip(*points, strict=True), "o-", color=ORANGE, markersize=3.5, label=label)
    loss.set(xlabel="step", ylabel="loss")
    accuracy.set(xlabel="step", ylabel="images classified correctly, %")
    accuracy.set_ylim(bottom=0)
    for axes in (loss, accuracy):
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best")
    loss.set_title(name)
    return chart


def _line(axes: Axes, records: Sequence[Record], field: str, colour: str, label: str) -> None:
    points = [(record["step"], record[field]) for record in records if record.get(field) is not None]
    if not points:
        return
    step, value = np.array(points, dtype=np.float64).T
    if len(points) < _FEWEST_SMOOTHED:
        axes.plot(step, value, "o-", markersize=3, color=colour, label=label)
        return
    axes.plot(step, value, color=colour, linewidth=0.8, alpha=0.3)
    width = max(3, round(_SMOOTHED_PART * len(points)))
    axes.plot(step, _running_mean(value, width), color=colour, label=f"{label}, mean of {width}")


def _running_mean(value: np.ndarray[Any, np.dtype[np.float64]], width: int) -> Any:
    """Over what came before; shorter at the start."""
    total = np.concatenate(([0.0], np.cumsum(value)))
    end = np.arange(1, len(value) + 1)
    start = np.maximum(0, end - width)
    return (total[end] - total[start]) / (end - start)


def _last_of_each_step(records: Iterable[Record]) -> list[Record]:
    """A run that was resumed repeats the steps after its checkpoint."""
    return sorted({record["step"]: record for record in records}.values(), key=lambda record: record["step"])
