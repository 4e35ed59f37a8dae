"""Ranking cells by CIFAR-10 test accuracy with HyperNAS and its variants, from few trained cells.

    python -m benchmarks.rank_hypernas [--space nasbench201] [--variants hypernas hypernas-p] [--seeds 10]
        [--part test] [--sizes 39 78 156 469] [--results FOLDER] [--json FILE]

Hyperparameters were chosen with `--part validation`: a fixed fifth of the NAS-Bench-201 cells, from which
both the training cells of a draw and its test cells come. `--part test` draws from the other four fifths and
tests on all of them that were not drawn. NAS-Bench-101 uses the same hyperparameters; its table is a part of
the benchmark and no uniform sample of it.

Every fit leaves a JSON file in the folder of results and is not repeated when it is there: a run that was
stopped goes on. Published figures: HyperNAS paper, main results (Kendall's tau).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.rank_cells import Row, read_table, shared_table, show
from benchmarks.rank_nasbench201 import PUBLISHED
from service.contract.hypernas import steps_for
from service.contract.reading import read
from service.graph_io.cells import nasbench101, nasbench201
from service.kit.whole_file import write_whole
from service.predictors.hypernas.batch import CellBatch, make_batch
from service.predictors.hypernas.cell_graph import of_nasbench101, of_nasbench201
from service.predictors.regressors.few_shot import rank_correlation
from service.settings import get_settings
from training.hypernas.cells import Floats, observed
from training.hypernas.config import HyperNASRun
from training.hypernas.trainer import HyperNASTrainer, scores

TABLE_201 = "nasbench201/nasbench201.csv.gz"
VALIDATION_CELLS = 3125
_SPLIT_SEED = 201
# Features of all 100,000 cells of NAS-Bench-101 take a minute that nothing is learned from.
_POOL_101, _TEST_101 = 20_000, 10_000
SIZES = {"nasbench201": [39, 78, 156, 469], "nasbench101": [100, 172, 424]}

VARIANTS: dict[str, dict[str, Any]] = {
    "hypernas": {},
    "hypernas-p": {"tasks": "accuracy"},
    "isolated cell (NP)": {"tasks": "accuracy", "encoding": "isolated"},
    "positional, no hypernetwork": {"tasks": "accuracy", "encoding": "positional"},
    "positional": {"encoding": "positional"},
    "unpruned": {"tasks": "accuracy", "prune": False},
    "q = 1.25": {"preference": 1.25},
    "q = 2": {"preference": 2.0},
    "q = 3": {"preference": 3.0},
}


@dataclass(frozen=True)
class Table:
    """cells: of every row, pruned or as written; values: test accuracies."""

    pruned: CellBatch
    written: CellBatch
    values: Floats


def split_201(rows: int, part: str) -> NDArray[np.int64]:
    """Numbers of the rows of a part of the table, shuffled."""
    order = np.random.default_rng(_SPLIT_SEED).permutation(rows)
    return order[:VALIDATION_CELLS] if part == "validation" else order[VALIDATION_CELLS:]


def read_cells(space: str, part: str) -> Table:
    if space == "nasbench201":
        rows = read_table(shared_table(TABLE_201))
        chosen = split_201(len(rows), part)
        cells = [nasbench201.parse_cell(rows[index]["arch_str"]) for index in chosen]
        graphs = [[of_nasbench201(cell, prune=prune) for cell in cells] for prune in (True, False)]
        values = [float(rows[index]["cifar10_test_200ep"]) for index in chosen]
    else:
        rows = read_table(shared_table("nasbench101/nasbench101_subset.csv.gz"))
        chosen = np.random.default_rng(0).permutation(len(rows))[:_POOL_101]
        read = [nasbench101.parse_cell(rows[index]["adj_upper"], rows[index]["ops"]) for index in chosen]
        graphs = [[of_nasbench101(cell, prune=prune) for cell in read] for prune in (True, False)]
        values = [float(rows[index]["test_mean"]) for index in chosen]
    return Table(make_batch(graphs[0], space), make_batch(graphs[1], space), np.array(values))


def fit(table: Table, config: HyperNASRun, size: int, test_cells: int | None) -> dict[str, Any]:
    """Train on `size` random cells and rank the others. Kendall's tau and seconds of processor time."""
    started = time.process_time()
    cells = table.pruned if config.model.prune else table.written
    order = np.random.default_rng(config.seed).permutation(len(table.values))
    train, test = order[:size], order[size:][:test_cells]
    seen = observed(cells[torch.from_numpy(train)], table.values[train])
    trainer = HyperNASTrainer(config, seen, get_settings().home / "cache")
    trainer.run_until_done()
    score = scores(trainer.hypernas, cells[torch.from_numpy(test)])
    tau = rank_correlation(score, table.values[test])
    return {"tau": tau, "cpu_seconds": time.process_time() - started, "test_cells": len(test)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--space", choices=list(SIZES), default="nasbench201")
    parser.add_argument("--part", choices=["test", "validation"], default="test")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=["hypernas", "hypernas-p"])
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--results", type=Path, default=Path("runs/rank_hypernas"))
    parser.add_argument("--steps", type=int, help="default: by the number of training cells")
    parser.add_argument("--start", metavar="MODEL", help="that variants with a hypernetwork start from")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=JSON", help="of the training")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    options = {key: json.loads(value) for key, value in (text.split("=", 1) for text in arguments.option)}
    arguments.results.mkdir(parents=True, exist_ok=True)
    table = read_cells(arguments.space, arguments.part)
    test_cells = _TEST_101 if arguments.space == "nasbench101" else None
    rows: list[Row] = []
    # One seed of everything first: a run that is stopped early has figures for all sizes.
    taus: dict[tuple[str, int], list[float]] = {}
    for seed in range(arguments.seeds):
        for variant in arguments.variants:
            for size in arguments.sizes or SIZES[arguments.space]:
                starts = VARIANTS[variant].get("tasks") != "accuracy"
                config = read(
                    HyperNASRun,
                    {
                        "steps": arguments.steps or steps_for(size),
                        "from_model": arguments.start if starts else None,
                        "data": "cifar10",
                        "data_dir": str(shared_table("cifar10")),
                        **options,
                        "model": {**VARIANTS[variant], "space": arguments.space, **options.get("model", {})},
                        "seed": seed,
                    },
                )
                result = _known_or(arguments.results, table, config, size, test_cells, arguments.part)
                taus.setdefault((variant, size), []).append(result["tau"])
    for (variant, size), measured in taus.items():
        spread = float(np.std(measured, ddof=1)) if len(measured) > 1 else 0.0
        rows.append(Row(variant, size, float(np.mean(measured)), spread))
    title = (
        f"{arguments.space}, {arguments.part} cells, Kendall's tau on the other cells, "
        f"mean ± deviation of {arguments.seeds} draws"
    )
    show(title, rows, PUBLISHED if arguments.space == "nasbench201" else {}, arguments.json)


def _known_or(
    folder: Path, table: Table, config: HyperNASRun, size: int, test_cells: int | None, part: str
) -> dict[str, Any]:
    """The result of a fit, from its file where there is one."""
    described = {"part": part, "cells": size, "config": asdict(config)}
    digest = sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
    file = folder / f"{digest}.json"
    if file.is_file():
        kept: dict[str, Any] = json.loads(file.read_text())
        return kept
    result = {**described, **fit(table, config, size, test_cells)}
    write_whole(file, json.dumps(result, indent=2) + "\n")
    return result


if __name__ == "__main__":
    main()
