"""Ablations of GHN-2 (tables 5 and 8 of the paper), each trained small on the same budget.

    python -m benchmarks.ablations --data cifar10|digits --steps S [--only NAME ...] [--seeds 0 1 2]

Every variant trains in this process, on one thread, with all seeds before the next one; one that is done is
not repeated, one that was interrupted goes on. Results are JSON files below --folder; the table is printed at
the end, and with --table at once, of what is there.

Networks are measured under the bounds of those in training (but others), and of the splits of DeepNets-1M,
which are much larger.

What such a table says: how much each part helps early in training, on small images. The differences are
within pairs (the same networks, images and seed for every variant). Their errors are those of the mean over
seeds; of one seed they count the networks, not its luck.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from benchmarks.ghn_variants import ABLATIONS, Ablation, ablation_config
from service.ghn.checkpoint import load_checkpoint
from service.graph_io.archgraph import ArchGraph
from service.settings import get_settings
from training.data.deepnets import architecture_graph
from training.data.load import load_dataset
from training.data.spaces import SpaceNetworks
from training.evaluate.accuracy import Scores, evaluate_networks
from training.ghn.recipe import Stage
from training.ghn.trainer import train
from training.loop.number_format import native_format, native_format_name

OUT_OF_DISTRIBUTION = ("wide", "deep", "dense", "bn-free")
# Networks under the bounds of training, of a seed that no training has.
AS_IN_TRAINING = "as-in-training"
OTHER_SEED = 1_000_000
_GROUPS = {"as in training": (AS_IN_TRAINING,), "ID-TEST": ("id-test",), "OOD": OUT_OF_DISTRIBUTION}
# Fields of the documents of networks that all of them may share.
_SIZES = ("channels", "cells")
STAGES = {
    "cifar10": Stage(image_size=16, cost=25, most_channels=48, meta_batch=4),
    "digits": Stage(image_size=8, cost=6, most_channels=32, meta_batch=4, images=32),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=sorted(STAGES), default="digits")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cost", type=float, help="of the networks in training, at most")
    parser.add_argument("--most-channels", type=int, help="of the networks in training")
    parser.add_argument("--images", type=int, help="for each network of a step")
    parser.add_argument("--meta-batch", type=int, help="networks of a step")
    for name in _SIZES:
        parser.add_argument(f"--{name}", type=int, help="of all networks in training, instead of random ones")
    parser.add_argument("--only", nargs="+", choices=list(ABLATIONS), default=list(ABLATIONS))
    parser.add_argument(
        "--networks",
        type=int,
        default=24,
        help="of id-test; half as many of deep, dense, bn-free, a quarter of wide; 0: none of them",
    )
    parser.add_argument("--bounded", type=int, default=40, help="networks under the bounds of training")
    parser.add_argument("--limit-images", type=int, default=256)
    parser.add_argument("--folder", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--table", action="store_true", help="train nothing, print what there is")
    options = parser.parse_args()
    usual = STAGES[options.data]
    stage = replace(
        usual,
        cost=options.cost or usual.cost,
        most_channels=options.most_channels or usual.most_channels,
        images=options.images or usual.images,
        meta_batch=options.meta_batch or usual.meta_batch,
    )
    budget = "-".join(
        [
            f"{options.data}-{stage.image_size}px-cost-{stage.cost:g}",
            *(f"{name}-{size}" for name, size in (_sizes(options) or {}).items()),
            f"{stage.meta_batch}x{stage.images}-{options.steps}",
        ]
    )
    folders = {seed: options.folder / f"{budget}-steps-seed-{seed}" for seed in options.seeds}
    torch.set_num_threads(1)
    for name in () if options.table else options.only:
        for seed, folder in folders.items():
            if not (folder / name / "scores.json").exists():
                _one(name, folder / name, stage, seed, options)
    sys.stdout.write(table([load_results(folder) for folder in folders.values()]) + "\n")


def _one(name: str, folder: Path, stage: Stage, seed: int, options: argparse.Namespace) -> None:
    """Train a variant and measure it."""
    settings = get_settings()
    config = ablation_config(
        name,
        data=options.data,
        data_dir=str(settings.data_dir),
        steps=options.steps,
        seed=seed,
        stage=stage,
        sizes=_sizes(options),
    )

    def show(record: dict[str, Any]) -> None:
        if record["kind"] == "train" and record["step"] % 100 == 0:
            sys.stderr.write(
                f"{name}: step {record['step']}, loss {record['loss']:.3f}, {record['seconds']:.0f} s\n"
            )

    cache = settings.home / "cache"
    train(config, folder, cache_dir=cache, resume=True, on_progress=show)
    ghn = load_checkpoint(folder / "model")
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    trained = [record for record in records if record["kind"] == "train"]
    dataset = load_dataset(options.data, data_dir=settings.data_dir, cache_dir=cache).resized(
        stage.image_size
    )
    accuracies = {}
    for split, count in _counts(options.bounded, options.networks).items():
        graphs = _networks(split, count, len(dataset.classes), stage, config.networks)
        scores = evaluate_networks(
            ghn, graphs, dataset, dataset.test, limit=options.limit_images, dtype=native_format()
        )
        accuracies[split] = scores.accuracies
        sys.stderr.write(f"{name}: {split} {scores:.1f}\n")
    result = {
        "name": name,
        "data": options.data,
        "image_size": stage.image_size,
        "steps": config.steps,
        "meta_batch": config.stages[0].meta_batch,
        "images_a_network": stage.images,
        "cost": stage.cost,
        "sizes": _sizes(options),
        "seed": seed,
        "learning_rate": config.highest_rate,
        "seconds": trained[-1]["seconds"],
        "skipped": trained[-1]["skipped"],
        "loss": sum(record["loss"] for record in trained[-5:]) / len(trained[-5:]),
        "test_images": min(options.limit_images, len(dataset.test)),
        "dtype": native_format_name(),
        "accuracies": accuracies,
    }
    (folder / "scores.json").write_text(json.dumps(result, indent=1) + "\n")


def _sizes(options: argparse.Namespace) -> dict[str, int] | None:
    sizes = {name: getattr(options, name) for name in _SIZES if getattr(options, name) is not None}
    return sizes or None


def _networks(
    split: str, count: int, classes: int, stage: Stage, space: SpaceNetworks | None
) -> list[ArchGraph]:
    graphs = []
    for index in range(count):
        if split != AS_IN_TRAINING:
            graph = architecture_graph(split, 0, index, num_classes=classes)
        elif space is None:
            graph = architecture_graph("train", OTHER_SEED, index, num_classes=classes, bounds=stage.bounds)
        else:
            graph = space.graph("test", 0, index, num_classes=classes, bounds=stage.bounds)
        graphs.append(replace(graph, unattached=()))
    return graphs


def _counts(bounded: int, networks: int) -> dict[str, int]:
    half, quarter = max(1, networks // 2), max(1, networks // 4)
    splits = {"id-test": networks, "wide": quarter, "deep": half, "dense": half, "bn-free": half}
    return {AS_IN_TRAINING: bounded, **(splits if networks else {})}


def by_budget(folder: Path) -> dict[str, list[dict[str, dict[str, Any]]]]:
    """What was trained and measured below a folder: for each budget the results of every seed, in order."""
    budgets: dict[str, dict[int, dict[str, dict[str, Any]]]] = {}
    for path in folder.glob("*-steps-seed-*"):
        budget, _, seed = path.name.rpartition("-seed-")
        if results := load_results(path):
            budgets.setdefault(budget, {})[int(seed)] = results
    return {budget: [seeds[seed] for seed in sorted(seeds)] for budget, seeds in sorted(budgets.items())}


def load_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Finished variants by name, in the order of `ABLATIONS`."""
    files = {name: folder / name / "scores.json" for name in ABLATIONS}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def table(seeds: list[dict[str, dict[str, Any]]]) -> str:
    """Markdown, of the variants that every seed has. Differences are to the first variant, over the same
    networks: with their error over networks where there is one seed, else with that over seeds.
    """
    names = [name for name in ABLATIONS if seeds and all(name in results for results in seeds)]
    if not names:
        return "No results."
    groups = {
        title: splits
        for title, splits in _GROUPS.items()
        if all(splits[0] in results[name]["accuracies"] for results in seeds for name in names)
    }
    columns = ["steps", "networks", "seconds", "training loss"]
    for title in groups:
        columns += [title, "against GHN-2"]
    lines = [f"| | {' | '.join([*columns, 'paper, ID / OOD'])} |", "| --- |" + " ---: |" * (len(columns) + 1)]
    for name in names:
        ablation, mine = ABLATIONS[name], [results[name] for results in seeds]
        cells = [ablation.title, str(mine[0]["steps"]), str(mine[0]["steps"] * mine[0]["meta_batch"])]
        cells += [f"{_mean(mine, 'seconds'):.0f}", f"{_mean(mine, 'loss'):.3f}"]
        for group in groups.values():
            own = [_joined(result, group) for result in mine]
            usual = [_joined(results[names[0]], group) for results in seeds]
            pairs = [
                [one - other for one, other in zip(ours, theirs, strict=True)]
                for ours, theirs in zip(own, usual, strict=True)
            ]
            cells.append(f"{_over(own):.1f}")
            cells.append("" if name == names[0] else f"{_over(pairs):+.1f}")
        cells.append(_paper(ablation))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _over(seeds: list[list[float]]) -> Scores:
    """Means of each seed, where there are several; the networks of the only one."""
    if len(seeds) == 1:
        return Scores(tuple(seeds[0]))
    return Scores(tuple(sum(values) / len(values) for values in seeds))


def _mean(results: list[dict[str, Any]], field: str) -> float:
    return fmean(result[field] for result in results)


def _paper(ablation: Ablation) -> str:
    if ablation.paper_of is not None:
        changed, usual = ablation.paper_of
        return f"{changed:.1f} against {usual:.1f}, ID, meta-batch 1"
    return " / ".join("–" if value is None else f"{value:.1f}" for value in ablation.paper)


def _joined(result: dict[str, Any], splits: tuple[str, ...]) -> list[float]:
    return [accuracy for split in splits for accuracy in result["accuracies"][split]]


if __name__ == "__main__":
    main()
