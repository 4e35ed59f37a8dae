"""Results of `benchmarks.finetuning`: which trainings there are, their table and their curves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from service.contract.finetune import WARMUP

if TYPE_CHECKING:
    from service.plots.chart import Chart

# What a training has in its key beside the setting: results of other recipes may lie in the same file.
RECIPE = {"optimizer": "adamw", "warmup": WARMUP}
# A training: its key (data, network, start, rate, seed and the setting), and accuracies of every epoch.
Row = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """What all trainings of one run share."""

    model: str
    epochs: int
    test_images: int


def rows(results: Path) -> list[Row]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def best_rate(results: Sequence[Row], data: str, name: str, start: str, setting: Setting) -> float:
    """The learning rate that is best on validation images with the first seed."""
    of_first = [
        row for row in _of(results, setting)
        if (row["data"], row["network"], row["start"], row["seed"]) == (data, name, start, 0)
    ]  # fmt: skip
    return float(max(of_first, key=lambda row: row["validation"][-1])["rate"])


def best_trainings(
    results: Sequence[Row], setting: Setting
) -> Iterator[tuple[str, str, str, float, list[Row]]]:
    """Data set, network, start, its best learning rate, and a training of each seed with it."""
    of_setting = _of(results, setting)
    for data, name, start in dict.fromkeys((row["data"], row["network"], row["start"]) for row in of_setting):
        rate = best_rate(results, data, name, start, setting)
        key = (data, name, start, rate)
        yield *key, [r for r in of_setting if (r["data"], r["network"], r["start"], r["rate"]) == key]


def _of(results: Sequence[Row], setting: Setting) -> list[Row]:
    shared = {"model": setting.model, "epochs": setting.epochs, **RECIPE}
    return [row for row in results if shared.items() <= row.items()]


def table(results: Sequence[Row], setting: Setting) -> Iterator[str]:
    """Test accuracy in percent by start: before training, after the first epoch, and after the last; mean and
    deviation of the seeds.
    """
    shown = sorted({0, 1, min(3, setting.epochs), min(10, setting.epochs), setting.epochs})
    epochs = " | ".join(f"epoch {epoch}" for epoch in shown)
    yield f"| data | network | start | rate | seeds | {epochs} |"
    yield "| --- | --- | --- | --- | --- |" + " --- |" * len(shown)
    for data, name, start, rate, trainings in best_trainings(results, setting):
        cells = [_cell([row["test"][epoch] for row in trainings]) for epoch in shown]
        yield f"| {data} | {name} | {start} | {rate:g} | {len(trainings)} | " + " | ".join(cells) + " |"


def _cell(values: list[float]) -> str:
    spread = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):.1f}{spread}"


def chart(results: Sequence[Row], setting: Setting) -> Chart:
    """A panel a network and data set, with a curve a start: test accuracy over epochs, mean and range of the
    seeds.
    """
    # matplotlib, for who draws
    from service.plots.chart import Chart, in_house_style

    panels: dict[tuple[str, str], list[tuple[str, list[Row]]]] = {}
    for data, name, start, _, trainings in best_trainings(results, setting):
        panels.setdefault((data, name), []).append((start, trainings))

    @in_house_style
    def drawn() -> Chart:
        chart = Chart(2.6 * len(panels) + 0.6, 2.9)
        for axes, ((data, name), curves) in zip(chart.panels(len(panels)), panels.items(), strict=True):
            for start, trainings in curves:
                by_epoch = list(zip(*(row["test"] for row in trainings), strict=True))
                epochs = range(len(by_epoch))
                (line,) = axes.plot(epochs, [mean(values) for values in by_epoch], label=start)
                low, high = [min(values) for values in by_epoch], [max(values) for values in by_epoch]
                axes.fill_between(epochs, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
            axes.set(title=f"{name}, {data}", xlabel="epoch")
        chart.axes[0].set(ylabel="accuracy on test images, %")
        chart.axes[0].legend(loc="best")
        return chart

    return drawn()
