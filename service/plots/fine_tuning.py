"""The chart of a fine-tuning: accuracy and loss over the epochs, from predicted and from random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from service.plots.chart import Chart, in_house_style
from service.plots.style import BLUE, ORANGE, QUIET

Epochs = Sequence[Mapping[str, Any]]
Dashes = Literal["-", ":"]

_COLOURS = {"predicted": BLUE, "random": ORANGE}
_PARTS: tuple[tuple[str, Dashes], ...] = (("validation", "-"), ("training", ":"))


@in_house_style
def fine_tuning_chart(result: Mapping[str, Any]) -> Chart:
    """result: `history` of the start that was kept, `start`, `kept_epoch`, `test_accuracy` (percent), `data`;
    `predicted` and `random` where both were trained to the end, each with its own `history`; `rival`
    (`start`, `history`) where the other one was given up before.
    """
    kept = result["start"].get("start", "predicted")
    histories: dict[str, Epochs] = {
        kind: result[kind]["history"] for kind in _COLOURS if result.get(kind)
    } or {kept: result["history"]}
    if rival := result.get("rival"):
        histories[rival["start"]] = rival["history"]
    chart = Chart(9.0, 3.8)
    accuracy, loss = chart.panels(2)
    for kind, epochs in histories.items():
        for part, dashes in _PARTS:
            _line(accuracy, epochs, f"{part}_accuracy", _COLOURS[kind], dashes)
            _line(loss, epochs, "loss" if part == "training" else "validation_loss", _COLOURS[kind], dashes)
    _mark_kept(accuracy, histories[kept], result.get("kept_epoch"), _COLOURS[kept])
    accuracy.set(xlabel="epoch", ylabel="images classified correctly, %")
    loss.set(xlabel="epoch", ylabel="loss (cross-entropy)")
    for axes in (accuracy, loss):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    data = result.get("data") or "fine-tuning"
    accuracy.set_title(f"{data}: {result['test_accuracy']:.1f}% of test images")
    chart.legend(handles=_legend(histories), loc="outside right upper")
    return chart


def _line(axes: Axes, epochs: Epochs, field: str, colour: str, dashes: Dashes) -> None:
    points = [(record["epoch"], record[field]) for record in epochs if record.get(field) is not None]
    if points:
        axes.plot(*zip(*points, strict=True), dashes, marker="o", markersize=3, color=colour)


def _mark_kept(axes: Axes, epochs: Epochs, epoch: int | None, colour: str) -> None:
    """The epoch whose weights these are."""
    for record in epochs:
        if record["epoch"] == epoch:
            axes.add_line(_ring(record["epoch"], record["validation_accuracy"], colour))


def _ring(epoch: float, accuracy: float, colour: str, label: str = "") -> Line2D:
    return Line2D(
        [epoch], [accuracy], linestyle="none", marker="o", markersize=9, markerfacecolor="none",
        color=colour, label=label,
    )  # fmt: skip


def _legend(histories: Mapping[str, Epochs]) -> list[Line2D]:
    lines = [Line2D([], [], color=_COLOURS[kind], label=f"from {kind} weights") for kind in histories]
    for part, dashes in _PARTS:
        lines.append(Line2D([], [], color=QUIET, linestyle=dashes, label=f"{part} images"))
    return [*lines, _ring(0, 0, QUIET, "weights of this epoch kept")]
