"""Properties of small DeepNets networks, each trained briefly on CIFAR-10 (GHN-2 paper, section 5.2).

    python -m benchmarks.properties [--networks 240] [--processes 2] [--minutes T] [--folder runs/properties]
    python -m benchmarks.properties --latency

The first call trains networks, one after another, and goes on where it stopped. The second measures the time
of a forward pass of those that were trained; run it on an idle machine. `rank_properties` learns from both.

Networks: of the split `train`, seed 1 (the shipped GHN was trained on those of seed 0), each as wide as a
cost bound between 10 and 100 at 16x16 allows that is drawn for it. Training: 12,800 images at 16x16 in
batches of 64 from random initialisation, once, the learning rate of the paper falling to zero.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from random import Random
from typing import Any

import torch

from benchmarks.network_properties import corrupted, forward_seconds, trained_properties
from service.executor.cost import network_cost
from service.graph_io.archgraph import ArchGraph
from service.settings import get_settings
from training.data.dataset import Dataset, ImageSet
from training.data.deepnets import Bounds, Document, architecture, architecture_graph
from training.data.load import load_dataset
from training.loop.environment import prepare_environment
from training.loop.number_format import native_format
from training.loop.recipes import SgdRecipe
from training.loop.small_operators import begin_thread
from training.loop.worker_processes import results_as_they_come

SEED, IMAGE_SIZE, BATCH = 1, 16, 64
RECIPE = SgdRecipe(images=200 * BATCH, batch_size=BATCH)
VALIDATION_IMAGES = 2000
_COSTS = (10.0, 100.0)
TRAINED, TIMED = "trained.jsonl", "timed.jsonl"


@dataclass(frozen=True)
class Sources:
    data_dir: Path
    cache_dir: Path


def bounds_of(index: int) -> Bounds:
    """Drawn evenly on a logarithmic scale."""
    least, most = _COSTS
    return Bounds(least * (most / least) ** Random(f"bounds-{index}").random(), IMAGE_SIZE)


def document_of(index: int) -> Document:
    return architecture("train", SEED, index, bounds=bounds_of(index))


def graph_of(index: int) -> ArchGraph:
    return replace(architecture_graph("train", SEED, index, bounds=bounds_of(index)), unattached=())


def read_lines(file: Path) -> dict[int, dict[str, Any]]:
    """What was measured, by the network's number."""
    lines = file.read_text().splitlines() if file.exists() else []
    entries = (json.loads(line) for line in lines if line.endswith("}"))
    return {entry["index"]: entry for entry in entries}


def train_one(index: int, sources: Sources) -> dict[str, Any]:
    begin_thread()
    started = time.monotonic()
    dataset, noisy = _images(sources)
    graph = graph_of(index)
    properties = trained_properties(
        graph, dataset, noisy, RECIPE, limit=VALIDATION_IMAGES, dtype=native_format()
    )  # fmt: skip
    return {
        "index": index,
        "clean": properties.clean,
        "corrupted": properties.corrupted,
        "curve": properties.curve,
        "cost": round(network_cost(graph, IMAGE_SIZE), 3),
        "parameters": graph.num_parameters,
        "seconds": round(time.monotonic() - started, 1),
    }


def train_all(networks: int, processes: int, minutes: float | None, folder: Path, sources: Sources) -> None:
    file = folder / TRAINED
    known = read_lines(file)
    missing = [index for index in range(networks) if index not in known]
    started = time.monotonic()
    work = partial(train_one, sources=sources)

    def in_time() -> bool:
        return minutes is None or time.monotonic() - started < 60 * minutes

    results = results_as_they_come(work, missing, processes=processes, in_time=in_time)
    with file.open("a") as output:
        for done, (index, entry) in enumerate(results, start=len(known) + 1):
            output.write(json.dumps(entry) + "\n")
            output.flush()
            sys.stderr.write(
                f"{done}/{networks}: network {index}, cost {entry['cost']:.0f}: "
                f"{entry['clean']:.1f}%, corrupted {entry['corrupted']:.1f}% ({entry['seconds']:.0f} s)\n"
            )


def time_all(folder: Path, sources: Sources) -> None:
    """Every trained network on the same 64 images, float32, one thread."""
    begin_thread()
    dataset, _ = _images(sources)
    images = dataset.normalise(dataset.validation.images_NCHW[:BATCH])
    known = read_lines(folder / TIMED)
    with (folder / TIMED).open("a") as output:
        for index in sorted(read_lines(folder / TRAINED)):
            if index not in known:
                entry = {"index": index, "milliseconds": 1000 * forward_seconds(graph_of(index), images)}
                output.write(json.dumps(entry) + "\n")


@lru_cache(maxsize=1)
def _images(sources: Sources) -> tuple[Dataset, ImageSet]:
    whole = load_dataset("cifar10", data_dir=sources.data_dir, cache_dir=sources.cache_dir)
    dataset = whole.resized(IMAGE_SIZE)
    return dataset, corrupted(dataset.validation)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", type=int, default=240)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, help="start no further network after so long")
    parser.add_argument("--latency", action="store_true", help="measure the time of a forward pass instead")
    parser.add_argument("--folder", type=Path, default=Path("runs/properties"))
    options = parser.parse_args()
    prepare_environment()
    settings = get_settings()
    sources = Sources(settings.data_dir, settings.home / "cache")
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.latency:
        time_all(options.folder, sources)
    else:
        train_all(options.networks, options.processes, options.minutes, options.folder, sources)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
