"""Ranking NAS-Bench-201 cells by latency on six devices from few measurements; all other cells of the test
part (`rank_cells.py`) are the test.

    python -m benchmarks.rank_latency [--table nasbench201.csv.gz] [--measurements 50] [--seeds 10] [--json
        FILE]

Tau of the additive method; in the first draws, which method cross-validation on the measurements chooses,
and what the mixture that accuracies are predicted with reaches; the additive method with half of all cells to
learn from.

What can be reached is limited by the measurements: `twice` is tau between two measurements of the same
network. About 1,600 networks of the benchmark were measured under several cells that describe the same
computation, and differ in the order of their nodes alone.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.rank_cells import Floats, Rows, shared_table
from benchmarks.rank_nasbench201 import CELL_COLUMNS, TABLE, cells
from service.graph_io.cells.nasbench201 import NUM_NODES, Cell, parse_cell
from service.predictors.rankers.fitted import FittedPredictor, Observations
from service.predictors.regressors.methods import cross_validate_method, make_regressor
from service.predictors.regressors.scores import rank_correlation

PREFIX = "latency_ms_"
CHOSEN_DRAWS = 2
_TIMED = ("nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", type=Path, default=shared_table(TABLE))
    parser.add_argument("--measurements", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows, features = cells(arguments.table, validation=False)
    print(
        f"Latency of NAS-Bench-201 cells from {arguments.measurements} measurements, Kendall's tau on all "
        f"other of {len(rows):,} cells (test part), mean ± deviation of {arguments.seeds} draws\n"
    )
    print(
        "| device | tau | inside the 90% interval | tau of the mixture | chosen | half of all | twice | "
        "error, half of all | noise |"
    )
    print("| --- |" + " --- |" * 8)
    twins = _twins([row["arch_str"] for row in rows])
    results = {}
    for name in (name for name in rows[0] if name.startswith(PREFIX)):
        values = np.array([float(row[name]) for row in rows])
        taus, inside = _draws(features, values, arguments.measurements, arguments.seeds)
        chosen, mixtures = _choices(features, values, arguments.measurements)
        bound, error = _bound(features, values)
        twice, noise = _repeated(twins, values)
        device = name.removeprefix(PREFIX)
        results[device] = {
            "tau": taus,
            "coverage": inside,
            "mixture": mixtures,
            "method": chosen,
            "bound": bound,
            "error_ms": error,
            "twice": twice,
            "noise_ms": noise,
        }
        print(
            f"| {device} | {np.mean(taus):.3f} ± {np.std(taus, ddof=1):.3f} | {100 * inside:.0f}% | "
            f"{np.mean(mixtures):.3f} | {', '.join(dict.fromkeys(chosen))} | {bound:.3f} | "
            f"{twice:.3f} | {error:.2f} ms | {noise:.2f} ms |",
            flush=True,
        )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def _draws(features: Floats, values: Floats, measurements: int, seeds: int) -> tuple[list[float], float]:
    """Tau of the additive method in every draw; the mean share of values inside its intervals."""
    taus, covered = [], []
    for seed in range(seeds):
        train, test = _split(len(values), measurements, seed)
        seen = features[train], values[train]
        margin = cross_validate_method("additive", CELL_COLUMNS, *seen).margin
        predicted = make_regressor("additive", CELL_COLUMNS, margin=margin).fit(*seen).predict(features[test])
        taus.append(rank_correlation(predicted.score_M, values[test]))
        covered.append(float(((predicted.low_M <= values[test]) & (values[test] <= predicted.high_M)).mean()))
    return taus, float(np.mean(covered))


def _choices(features: Floats, values: Floats, measurements: int) -> tuple[list[str], list[float]]:
    """What a predictor that knows nothing of the property's name chooses, and tau of the mixture, in the
    first draws.
    """
    chosen, mixtures = [], []
    for seed in range(CHOSEN_DRAWS):
        train, test = _split(len(values), measurements, seed)
        seen = Observations("cell", ("nasbench201",), features[train], values[train])
        predictor = FittedPredictor("latency", "latency", seen)
        mixtures.append(rank_correlation(predictor.regressor.predict(features[test]).score_M, values[test]))
        predictor.cross_validate()
        chosen.append(str(predictor.method))
    return chosen, mixtures


def _split(cells: int, measurements: int, seed: int) -> tuple[Rows, Rows]:
    order = np.random.default_rng(seed).permutation(cells)
    return order[:measurements], order[measurements:]


def _bound(features: Floats, values: Floats) -> tuple[float, float]:
    """Tau and the standard error of the additive method when half of all cells were measured, on the other
    half.
    """
    order = np.random.default_rng(0).permutation(len(values))
    train, test = np.array_split(order, 2)
    model = make_regressor("additive", CELL_COLUMNS).fit(features[train], values[train])
    predicted = model.predict(features[test])
    error = float(np.sqrt(np.mean((predicted.value_M - values[test]) ** 2)))
    return rank_correlation(predicted.score_M, values[test]), error


def _twins(cells: Sequence[str]) -> list[list[int]]:
    """Numbers of cells that compute the same, with the same operations on no path: two or more each."""
    groups: dict[object, list[int]] = defaultdict(list)
    for number, text in enumerate(cells):
        cell = parse_cell(text)
        operations = Counter(edge.operation for edge in cell if edge.operation in _TIMED)
        groups[_expression(cell), tuple(sorted(operations.items()))].append(number)
    return [numbers for numbers in groups.values() if len(numbers) > 1]


def _expression(cell: Cell) -> str:
    """What the cell's output computes, sums in a fixed order; skips and what reads nothing disappear."""
    known = ["input"]
    for target in range(1, NUM_NODES):
        terms = []
        for edge in (edge for edge in cell if edge.target == target and edge.operation != "none"):
            source = known[edge.source]
            if source:
                terms.append(source if edge.operation == "skip_connect" else f"{edge.operation}({source})")
        known.append(f"sum({', '.join(sorted(terms))})" if len(terms) > 1 else "".join(terms))
    return known[-1]


def _repeated(twins: Sequence[Sequence[int]], values: Floats) -> tuple[float, float]:
    """Tau between two measurements of each network, and the standard deviation of one."""
    random = np.random.default_rng(0)
    pairs = np.array([random.choice(numbers, 2, replace=False) for numbers in twins])
    variances = [np.var(values[list(numbers)], ddof=1) for numbers in twins]
    return rank_correlation(values[pairs[:, 0]], values[pairs[:, 1]]), float(np.sqrt(np.mean(variances)))


if __name__ == "__main__":
    main()
