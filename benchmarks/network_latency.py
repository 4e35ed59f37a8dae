"""Latency of networks of all kinds on this machine, and learning it: DeepNets networks of five splits,
torchvision's, networks of benchmark cells.

    python -m benchmarks.network_latency [--each 60] [--folder runs/latency] [--measurements 30 60 120]
        [--draws 10] [--json FILE] [--export FOLDER]

Measured: the median time of a forward pass of one image of the network's own size, float32, one thread, batch
normalisation with fixed statistics; random weights. What is in the folder is not measured again. Run it on an
idle machine.

Learned from random networks, the others being the test; and from all but torchvision's, these being the test.
--export learns from all and leaves the predictor `latency-cpu`: that which Weightcast ships.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
import torchvision

from benchmarks.properties import read_lines
from benchmarks.rank_cells import Floats, Row, Table, measure, show
from service.cli.reading import read_document
from service.errors import ServiceError
from service.executor.networks import Network
from service.executor.statistics import BatchStatistics
from service.graph_io.archgraph import ArchGraph
from service.predictors.features.architectures import feature_names, features_of, structure_size
from service.predictors.features.networks import NETWORK_FEATURES
from service.predictors.rankers.fitted import FittedPredictor, Observations, save_predictor
from service.predictors.regressors.methods import CANDIDATES, Columns, Method, make_regressor
from service.predictors.regressors.scores import rank_correlation
from training.data.deepnets import architecture
from training.hypernas.cells import random_cell
from training.loop.environment import prepare_environment
from training.loop.network_training import random_parameters
from training.loop.small_operators import begin_thread

Document = dict[str, Any]
PROPERTY, NAME = "latency", "latency-cpu"
SPLITS = ("train", "id-test", "wide", "deep", "dense")
SPACES = ("nasbench201", "nasbench101")
METHODS: tuple[Method, ...] = CANDIDATES["structure"]
COLUMNS = Columns(structure_size("network"), len(feature_names("network")))
MEANING = "milliseconds for one image on one CPU thread (less is better)"
_REPEATS, _SECONDS = 9, 2.0
_SEED = 2


def documents(each: int) -> Iterator[tuple[str, Document]]:
    """Group and architecture, `each` of every group; of torchvision all classifiers."""
    for split in SPLITS:
        for index in range(each):
            yield split, architecture(split, _SEED, index)
    for space in SPACES:
        random = np.random.default_rng(_SEED)
        for _ in range(each):
            yield space, dict(random_cell(space, random))
    for name in torchvision.models.list_models(module=torchvision.models):
        yield "torchvision", {"format": "torchvision", "name": name}


@torch.no_grad()
def latency(graph: ArchGraph) -> float:
    """Milliseconds. Raises UnsupportedOperator for a network that cannot be run here."""
    network, params = Network(graph), random_parameters(graph)
    random = torch.Generator().manual_seed(0)
    images = torch.randn(2, *graph.input_shape, generator=random)
    statistics = BatchStatistics()
    network(images, params, statistics)  # two images: one alone has no variance at the last layers
    statistics.gathering = False
    times: list[float] = []
    while len(times) < 3 or (len(times) < _REPEATS and sum(times) < _SECONDS):
        started = perf_counter()
        network(images[:1], params, statistics)
        times.append(perf_counter() - started)
    return 1000 * median(times)


def measure_all(each: int, file: Path) -> None:
    known = read_lines(file)
    with file.open("a") as output:
        for index, (group, document) in enumerate(documents(each)):
            if index in known:
                continue
            entry: dict[str, Any] = {"index": index, "group": group, "architecture": document}
            try:
                entry["milliseconds"] = latency(read_document(document))
            except (ServiceError, RuntimeError) as error:
                sys.stderr.write(f"{group} {document.get('name', index)} cannot be run: {error}\n")
            output.write(json.dumps(entry) + "\n")
            output.flush()


def export(rows: Floats, values: Floats, formats: set[str], taus: dict[str, float], folder: Path) -> None:
    seen = Observations("network", tuple(sorted(formats)), rows, values)
    predictor = FittedPredictor(NAME, PROPERTY, seen)
    score = predictor.cross_validate()
    more = {
        "description": f"Predicts the latency of image classifiers: {MEANING}.",
        "training": {
            "data": f"{len(values)} networks of DeepNets, NAS-Bench-101 and 201, torchvision, measured by us",
            "command": "python -m benchmarks.network_latency --export FOLDER",
            "values": MEANING,
        },
        "scores": {
            "kendall_tau_torchvision": {name: round(tau, 3) for name, tau in taus.items()},
            "note": (
                f"Values are {MEANING}, measured on one machine. On other machines, trust the order more "
                f"than the values. Kendall's tau is {score.tau:.2f} in cross-validation, and "
                f"{taus[str(predictor.method)]:.2f} on torchvision's networks when fitted without them. On "
                "three of six other devices, multiply-adds alone rank cells of NAS-Bench-201 a little better."
            ),
        },
    }
    save_predictor(folder / NAME, predictor, score, more=more)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--each", type=int, default=60)
    parser.add_argument("--folder", type=Path, default=Path("runs/latency"))
    parser.add_argument("--measurements", type=int, nargs="+", default=[30, 60, 120])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--export", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    prepare_environment()
    begin_thread()
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / "networks.jsonl"
    measure_all(options.each, file)
    entries = [entry for entry in read_lines(file).values() if "milliseconds" in entry]
    rows = np.array([features_of(entry["architecture"], "network", read=read_document) for entry in entries])
    values = np.array([entry["milliseconds"] for entry in entries])
    # The logarithm of the multiply-adds is the first feature.
    cost = rows[:, NETWORK_FEATURES.index("log_multiply_adds")]
    print(f"{len(values)} networks, {values.min():.2f} to {values.max():.0f} ms\n")
    table = Table(rows, values, cost, COLUMNS)
    results: list[Row] = measure(
        table, METHODS, options.measurements, options.draws, report=lambda line: print(line, file=sys.stderr)
    )
    title = f"Latency of networks of all kinds, Kendall's tau, mean ± deviation of {options.draws} draws"
    show(title, results, {}, options.json, what="measured networks")
    vision = np.array([entry["group"] == "torchvision" for entry in entries])
    taus: dict[str, float] = {
        method: rank_correlation(
            make_regressor(method, COLUMNS).fit(rows[~vision], values[~vision]).predict(rows[vision]).score_M,
            values[vision],
        )
        for method in METHODS
    }
    taus["cost alone"] = rank_correlation(cost[vision], values[vision])
    print(f"\nFrom {int((~vision).sum())} others, on {int(vision.sum())} networks of torchvision:")
    print(", ".join(f"{name} {tau:.3f}" for name, tau in taus.items()))
    if options.export:
        formats = {str(entry["architecture"]["format"]) for entry in entries}
        export(rows, values, formats, taus, options.export)


if __name__ == "__main__":
    main()
