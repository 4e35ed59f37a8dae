"""Recipes of training a GHN, compared at equal time: accuracy on unseen networks against minutes.

    python -m benchmarks.recipes --data-dir DIR [--minutes 60] [--only NAME ...] [--plot FILE]

All recipes train at once, from nothing, in a process of one thread each, and so share the machine evenly:
what slows one of them slows all. They train on CIFAR-10, on 16x16 images and on 32x32 ones for the last sixth
of the time, on networks of a cost of at most 25 and 40, far smaller than those of a full training. Every few
minutes the averaged GHN is measured on the same networks of `id-val`; this time does not count.

The runs lie in WEIGHTCAST_HOME as `recipe-NAME`. One that was stopped is resumed, one that is finished is not
trained again. `python -m benchmarks.evaluation --model recipe-NAME ...` compares their models on the same
networks, in pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from service.settings import get_settings

_STAGES: list[dict[str, float]] = [
    {"until": 0.4, "image_size": 16, "cost": 25, "most_channels": 48, "meta_batch": 4},
    {"until": 0.84, "image_size": 16, "cost": 40, "meta_batch": 6},
    {"until": 1.0, "image_size": 32, "cost": 40, "meta_batch": 6},
]
# Steps at the end whose loss is averaged.
_LAST_STEPS = 200


@dataclass(frozen=True)
class Recipe:
    """arguments: of `weightcast train`, where it differs from the command's defaults."""

    name: str
    label: str
    arguments: tuple[str, ...] = ()
    images: int = 64

    @property
    def run(self) -> str:
        return f"recipe-{self.name}"

    @property
    def training_stages(self) -> list[dict[str, float]]:
        return [{**stage, "images": self.images} for stage in _STAGES]


_GHN3 = ("--gnn", "transformer")
RECIPES = (
    Recipe("ghn2", "GHN-2, width 32"),
    Recipe("ghn3", "GHN-3, width 64", _GHN3),
    Recipe("ghn3-constant", "GHN-3, rate constant for 60%", (*_GHN3, "--set", "constant_share=0.6")),
    Recipe("ghn3-wide", "GHN-3, width 128", (*_GHN3, "--hidden", "128", "--learning-rate", "0.0007")),
    Recipe("ghn3-few-images", "GHN-3, 32 images a network", _GHN3, images=32),
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", required=True, help="folder of CIFAR-10")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--networks", type=int, default=6, help="unseen networks in each measurement")
    parser.add_argument("--only", nargs="+", choices=[recipe.name for recipe in RECIPES])
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args(argv)
    recipes = [recipe for recipe in RECIPES if options.only is None or recipe.name in options.only]
    home = get_settings().home
    running = {
        recipe.name: subprocess.Popen(
            _command(recipe, home, options),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
        )
        for recipe in recipes
        if not (home / "models" / recipe.run).exists()
    }
    failed = [name for name, process in running.items() if process.wait()]
    if failed:
        parser.error(f"training ended early: {', '.join(failed)}")
    records = {recipe: _records(home / "runs" / recipe.run / "metrics.jsonl") for recipe in recipes}
    print(table(records))
    if options.plot is not None:
        draw(records, options.plot)


def _command(recipe: Recipe, home: Path, options: argparse.Namespace) -> list[str]:
    begun = (home / "runs" / recipe.run).exists()
    return [
        sys.executable, "-m", "service.cli", "train", "--data", "cifar10", "--data-dir", options.data_dir,
        "--minutes", str(options.minutes), "--processes", "1", "--name", recipe.run,
        "--set", f"stages={json.dumps(recipe.training_stages)}",
        "--set", f"validate_minutes={options.minutes / 5}",
        "--set", f"validate_networks={options.networks}", *recipe.arguments, *["--resume"] * begun,
    ]  # fmt: skip


def _records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def curve(records: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """Minutes of training and mean accuracy in percent, at each measurement on unseen networks."""
    return [(record["seconds"] / 60, record["mean"]) for record in records if record["kind"] == "validation"]


def table(records: dict[Recipe, list[dict[str, Any]]]) -> str:
    lines = [
        f"| recipe | steps | loss of the last {_LAST_STEPS} | accuracy after a third | two thirds | all |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for recipe, run in records.items():
        steps = [record for record in run if record["kind"] == "train"]
        last = steps[-1]["step"]
        loss = np.mean([record["loss"] for record in steps if record["step"] > last - _LAST_STEPS])
        minutes, accuracy = np.array(curve(run)).T
        thirds = np.interp(np.array([1 / 3, 2 / 3, 1]) * minutes[-1], minutes, accuracy)
        cells = " | ".join(f"{value:.1f}" for value in thirds)
        lines.append(f"| {recipe.label} | {last:,} | {loss:.3f} | {cells} |")
    return "\n".join(lines)


def draw(records: dict[Recipe, list[dict[str, Any]]], path: Path) -> None:
    from service.plots.chart import Chart, in_house_style

    @in_house_style
    def chart() -> Chart:
        chart = Chart(6.0, 3.6)
        (axes,) = chart.panels()
        for recipe, run in records.items():
            axes.plot(*zip(*curve(run), strict=True), "o-", markersize=3.5, label=recipe.label)
        axes.set(xlabel="minutes of training", ylabel="accuracy on unseen networks, %")
        axes.legend(loc="best")
        return chart

    chart().save(path)


if __name__ == "__main__":
    main()
