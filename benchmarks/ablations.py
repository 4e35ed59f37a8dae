"""Ablations of GHN-2 (table 5 of the paper), each trained small on the same budget.

    python -m benchmarks.ablations --data cifar10|digits --steps S [--only NAME ...] [--seed N]

Every variant trains in this process, on one thread; one that is done is not repeated, one that was
interrupted goes on. Results are JSON files below --folder; the table is printed at the end, and with --table
at once, of what is there.

What such a table says: how much each part helps early in training, on small images. The differences are
within pairs (the same networks and images for every variant); their errors count the networks, not the luck
of one seed.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.ghn_variants import ABLATIONS, ablation_config
from service.ghn.checkpoint import load_checkpoint
from service.settings import get_settings
from training.data.dataset import load_dataset
from training.data.deepnets import architecture_graph
from training.evaluate.accuracy import Scores, evaluate_networks
from training.ghn.recipe import Stage
from training.ghn.trainer import train

OUT_OF_DISTRIBUTION = ("wide", "deep", "dense", "bn-free")
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
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(ABLATIONS), default=list(ABLATIONS))
    parser.add_argument(
        "--networks",
        type=int,
        default=24,
        help="of id-test; half as many of deep, dense, bn-free, a quarter of wide",
    )
    parser.add_argument("--limit-images", type=int, default=256)
    parser.add_argument("--folder", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--table", action="store_true", help="train nothing, print what there is")
    options = parser.parse_args()
    stage = STAGES[options.data]
    budget = f"{options.data}-{stage.image_size}px-cost-{stage.cost:g}-{options.steps}"
    folder = options.folder / f"{budget}-steps-seed-{options.seed}"
    torch.set_num_threads(1)
    for name in () if options.table else options.only:
        if not (folder / name / "scores.json").exists():
            _one(name, folder / name, options)
    sys.stdout.write(table(load_results(folder)) + "\n")


def _one(name: str, folder: Path, options: argparse.Namespace) -> None:
    """Train a variant and measure it."""
    settings = get_settings()
    stage = STAGES[options.data]
    config = ablation_config(
        name,
        data=options.data,
        data_dir=str(settings.data_dir),
        steps=options.steps,
        seed=options.seed,
        stage=stage,
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
    for split, count in _counts(options.networks).items():
        graphs = [
            replace(architecture_graph(split, 0, index, num_classes=len(dataset.classes)), unattached=())
            for index in range(count)
        ]
        scores = evaluate_networks(
            ghn, graphs, dataset, dataset.test, limit=options.limit_images, dtype=torch.bfloat16
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
        "seed": options.seed,
        "learning_rate": config.highest_rate,
        "seconds": trained[-1]["seconds"],
        "skipped": trained[-1]["skipped"],
        "loss": sum(record["loss"] for record in trained[-5:]) / len(trained[-5:]),
        "test_images": min(options.limit_images, len(dataset.test)),
        "dtype": "bfloat16",
        "accuracies": accuracies,
    }
    (folder / "scores.json").write_text(json.dumps(result, indent=1) + "\n")


def _counts(networks: int) -> dict[str, int]:
    half, quarter = max(1, networks // 2), max(1, networks // 4)
    return {"id-test": networks, "wide": quarter, "deep": half, "dense": half, "bn-free": half}


def load_results(folder: Path) -> dict[str, dict[str, Any]]:
    """Finished variants by name, in the order of `ABLATIONS`."""
    files = {name: folder / name / "scores.json" for name in ABLATIONS}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def table(results: dict[str, dict[str, Any]]) -> str:
    """Markdown. Differences are to the first variant, over the same networks."""
    if not results:
        return "No results."
    lines = [
        "| | steps | networks | seconds | training loss | ID-TEST | against GHN-2 | OOD | against GHN-2 "
        "| paper, ID / OOD |",
        "| --- |" + " ---: |" * 9,
    ]
    base = next(iter(results.values()))
    for name, result in results.items():
        ablation = ABLATIONS[name]
        cells = [ablation.title, str(result["steps"]), str(result["steps"] * result["meta_batch"])]
        cells += [f"{result['seconds']:.0f}", f"{result['loss']:.3f}"]
        for group in (("id-test",), OUT_OF_DISTRIBUTION):
            own, usual = _joined(result, group), _joined(base, group)
            scores = Scores(tuple(own))
            paired = Scores(tuple(mine - other for mine, other in zip(own, usual, strict=True)))
            cells.append(f"{scores:.1f}")
            cells.append("" if result is base else f"{paired:+.1f}")
        cells.append(" / ".join("–" if value is None else f"{value:.1f}" for value in ablation.paper))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _joined(result: dict[str, Any], splits: tuple[str, ...]) -> list[float]:
    return [accuracy for split in splits for accuracy in result["accuracies"][split]]


if __name__ == "__main__":
    main()
