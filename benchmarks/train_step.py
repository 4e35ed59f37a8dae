"""Seconds of a training step, and where they go, on fixed meta-batches of networks, beside the reference's.

    python -m benchmarks.train_step [--batches FILE] [--dtype float32|bfloat16] [--threads N]
        [--ghn ghn2|ghn3] [--steps N]

FILE: {"batches": [[{"net_args": {...}}, ...], ...]}, the reference's arguments of every network; default:
`parity/train/batches.json` below WEIGHTCAST_SHARED_DIR; without that, random architectures of the train
split. 64 random images of 32x32 a network. Without --dtype: float32, then bfloat16; features are in
channels-last memory.

Wall time is that of a machine with nothing else to do; processor time, of all threads together, changes less
when there is something.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from training.loop.environment import prepare_environment

prepare_environment()

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from service.executor.cost import network_cost  # noqa: E402
from service.ghn.batch import GraphBatch  # noqa: E402
from service.ghn.config import GHN2_CIFAR10, GHN3_CIFAR10, GHNConfig  # noqa: E402
from service.ghn.model import GHN  # noqa: E402
from service.graph_io.archgraph import ArchGraph  # noqa: E402
from service.graph_io.cells.darts import read_darts  # noqa: E402
from service.graph_io.primitives import to_primitives  # noqa: E402
from training.data.deepnets import architecture_graph  # noqa: E402
from training.ghn.architecture_source import Task  # noqa: E402
from training.loop.adam import AdamW, ParameterGroup  # noqa: E402
from training.loop.network_runner import NetworkRunner  # noqa: E402
from training.loop.small_operators import small_operators  # noqa: E402

_IMAGES, _META_BATCH, _WARM_UP = 64, 8, 1
# The reference implementation, wall seconds on two threads, median of 15 steps.
_REFERENCE = {"step": 8.6, "ghn": 1.9}
_GHNS = {"ghn2": GHN2_CIFAR10, "ghn3": GHN3_CIFAR10}
_GHN_PARTS = ("batch", "ghn forward", "ghn backward")

Seconds = dict[str, tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=Path)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), action="append")
    parser.add_argument("--threads", type=int, default=2, help="networks that run side by side")
    parser.add_argument(
        "--ghn-threads", type=int, default=1, help="of the GHN's own operators; training uses 1"
    )
    parser.add_argument("--ghn", choices=_GHNS, default="ghn2", help="the reference's figures are of a GHN-2")
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    batches = load_batches(options.batches, options.steps + _WARM_UP)
    results = {
        dtype: measure(
            batches, getattr(torch, dtype), options.threads, options.ghn_threads, _GHNS[options.ghn]
        )
        for dtype in options.dtype or ("float32", "bfloat16")
    }
    print(table(results))
    if options.json:
        document = {"threads": options.threads, "steps": len(batches) - _WARM_UP, "seconds": results}
        options.json.write_text(json.dumps(document, indent=2) + "\n")


def measure(
    batches: list[list[ArchGraph]], dtype: torch.dtype, threads: int, ghn_threads: int, config: GHNConfig
) -> Seconds:
    """Median (wall, processor) seconds of every part of a step. The first step is left out."""
    torch.manual_seed(0)
    ghn = GHN(config)
    optimizer = AdamW([ParameterGroup(list(ghn.parameters()), 0.01)])
    runner = NetworkRunner(threads, dtype, clip=5.0)
    images, labels = torch.randn(_IMAGES, 3, 32, 32), torch.randint(10, (_IMAGES,))
    with small_operators():
        torch.set_num_threads(ghn_threads)
        records = [one_step(ghn, optimizer, runner, graphs, images, labels) for graphs in batches]
    runner.close()
    return {
        part: (
            statistics.median(record[part][0] for record in records[_WARM_UP:]),
            statistics.median(record[part][1] for record in records[_WARM_UP:]),
        )
        for part in records[0]
    }


def one_step(
    ghn: GHN,
    optimizer: AdamW,
    runner: NetworkRunner,
    graphs: list[ArchGraph],
    images: Tensor,
    labels: Tensor,
) -> Seconds:
    """(wall, processor) seconds of every part."""
    marks: Seconds = {}
    started = last = (time.perf_counter(), time.process_time())

    def since(before: tuple[float, float]) -> tuple[float, float]:
        return time.perf_counter() - before[0], time.process_time() - before[1]

    def mark(name: str) -> None:
        nonlocal last
        marks[name], last = since(last), (time.perf_counter(), time.process_time())

    # A training run has these made by another process.
    tasks = [Task(graph, to_primitives(graph), network_cost(graph, 32)) for graph in graphs]
    mark("primitives")
    batch = GraphBatch.from_graphs([task.primitives for task in tasks], ghn.config)
    mark("batch")
    predicted = ghn.predict_tensors(batch)
    mark("ghn forward")
    outcomes = runner.run(tasks, predicted, [(images, labels)] * len(tasks))
    mark("networks")
    optimizer.zero_grad()
    outputs, gradients = [], []
    for tensors, outcome in zip(predicted, outcomes, strict=True):
        for name, gradient in outcome.gradients.items():
            outputs.append(tensors[name])
            gradients.append(gradient)
    torch.autograd.backward(outputs, gradients)
    mark("ghn backward")
    optimizer.step(1e-3)
    mark("optimizer")
    marks["ghn"] = (sum(marks[part][0] for part in _GHN_PARTS), sum(marks[part][1] for part in _GHN_PARTS))
    marks["step"] = since(started)
    return marks


def table(results: dict[str, Seconds]) -> str:
    """One row a part; where the reference was measured, its seconds and how many times faster ours are."""
    columns = [f"{dtype}, {what} s" for dtype in results for what in ("wall", "processor")]
    lines = [
        "| " + " | ".join(["part", *columns, "reference s", *(f"{dtype} x" for dtype in results)]) + " |",
        "|" + " --- |" * (len(columns) + 2 + len(results)),
    ]
    for part in next(iter(results.values())):
        cells = [f"{seconds:.3f}" for parts in results.values() for seconds in parts[part]]
        reference = _REFERENCE.get(part)
        compared = [
            "" if reference is None else f"{reference / parts[part][0]:.1f}" for parts in results.values()
        ]
        lines.append(
            "| " + " | ".join([part, *cells, "" if reference is None else f"{reference}", *compared]) + " |"
        )
    return "\n".join(lines)


def load_batches(path: Path | None, count: int) -> list[list[ArchGraph]]:
    shared = os.environ.get("WEIGHTCAST_SHARED_DIR")
    if path is None and shared is not None:
        path = Path(shared) / "parity/train/batches.json"
    if path is None:
        indices = iter(range(count * _META_BATCH))
        return [
            [
                replace(architecture_graph("train", 0, next(indices)), unattached=())
                for _ in range(_META_BATCH)
            ]
            for _ in range(count)
        ]
    batches = json.loads(path.read_text())["batches"][:count]
    return [
        [replace(read_darts(document(entry["net_args"])), unattached=()) for entry in batch]
        for batch in batches
    ]


def document(arguments: dict[str, Any]) -> dict[str, Any]:
    """A document of format "darts" from the reference's arguments."""
    return {
        "format": "darts",
        "genotype": arguments["genotype"],
        "channels": arguments["C"],
        "cells": arguments["n_cells"],
        "stem": "strided" if arguments["stem_type"] else "plain",
        "stem_kernel": arguments["ks"],
        "stem_pool": arguments["stem_pool"],
        "norm": "batch" if arguments["norm"] else "none",
        "preprocess": arguments["preproc"],
        "channel_multiplier": arguments["C_mult"],
        "global_pool": arguments["glob_avg"],
        "fc_layers": arguments["fc_layers"],
        "fc_dim": arguments["fc_dim"],
    }


if __name__ == "__main__":
    main()
