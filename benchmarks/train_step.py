"""Seconds of a training step, and where they go, on fixed meta-batches of networks.

    python benchmarks/train_step.py [--batches FILE] [--dtype float32|bfloat16] [--threads N] [--steps N]

FILE: {"batches": [[{"net_args": {...}}, ...], ...]}, the reference's arguments of every network; default:
`parity/train/batches.json`
below WEIGHTCAST_SHARED_DIR; without that, random architectures of the train split. 64 images of 32x32 a
network, random.

The reference implementation needs 8.6 s a step on two threads (median of 15), of which 1.9 s are the GHN's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from service.ghn.batch import GraphBatch
from service.ghn.config import GHN2_CIFAR10
from service.ghn.model import GHN
from service.graph_io.archgraph import ArchGraph
from service.graph_io.cells.darts import read_darts
from service.graph_io.primitives import to_primitives
from training.architecture_source import Task
from training.cost import network_cost
from training.deepnets import architecture_graph
from training.step import NetworkRunner

_IMAGES, _META_BATCH, _WARM_UP = 64, 8, 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=Path)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    ghn = GHN(GHN2_CIFAR10)
    optimizer = torch.optim.AdamW(ghn.parameters(), lr=1e-3)
    runner = NetworkRunner(options.threads, getattr(torch, options.dtype), clip=5.0)
    images, labels = torch.randn(_IMAGES, 3, 32, 32), torch.randint(10, (_IMAGES,))
    records = []
    for graphs in load_batches(options.batches, options.steps + _WARM_UP):
        records.append(one_step(ghn, optimizer, runner, graphs, images, labels))
        json.dump(records[-1], sys.stderr)
        sys.stderr.write("\n")
    runner.close()
    measured = records[_WARM_UP:]
    medians = {key: round(statistics.median(record[key] for record in measured), 3) for key in measured[0]}
    json.dump(
        {
            "dtype": options.dtype,
            "threads": options.threads,
            "steps": len(measured),
            "median_seconds": medians,
        },
        sys.stdout,
    )
    sys.stdout.write("\n")


def one_step(
    ghn: GHN,
    optimizer: torch.optim.Optimizer,
    runner: NetworkRunner,
    graphs: list[ArchGraph],
    images: Tensor,
    labels: Tensor,
) -> dict[str, float]:
    """Seconds of every part. `cpu`: processor time of all threads, which other programs on the machine
    change less.
    """
    marks: dict[str, float] = {}
    cpu, start = time.process_time(), time.perf_counter()
    last = start

    def mark(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        marks[name], last = now - last, now

    tasks = [Task(graph, to_primitives(graph), network_cost(graph, 32)) for graph in graphs]
    mark("primitives")
    batch = GraphBatch.from_graphs([task.primitives for task in tasks], ghn.config)
    predicted = ghn.predict_tensors(batch)
    mark("ghn_forward")
    outcomes = runner.run(tasks, predicted, [(images, labels)] * len(tasks))
    mark("networks")
    optimizer.zero_grad(set_to_none=True)
    outputs, gradients = [], []
    for tensors, outcome in zip(predicted, outcomes, strict=True):
        for name, gradient in outcome.gradients.items():
            outputs.append(tensors[name])
            gradients.append(gradient)
    torch.autograd.backward(outputs, gradients)
    mark("ghn_backward")
    optimizer.step()
    mark("optimizer")
    marks["step"] = time.perf_counter() - start
    marks["cpu"] = time.process_time() - cpu
    return marks


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
