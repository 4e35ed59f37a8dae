"""Ranking NAS-Bench-201 cells by latency on six devices from few measurements; all other cells of the test
part (`rank_cells.py`) are the test.

    python -m benchmarks.rank_latency [--table nasbench201.csv.gz] [--measurements 50] [--seeds 10] [--json
        FILE]

Tau of the additive method; in the first draws, which method cross-validation on the measurements chooses,
and what the mixture that accuracies are predicted with reaches; as a bound, the additive method with half of
all cells to learn from. The two telephones report whole milliseconds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks.rank_cells import Floats, Rows, shared_table
from benchmarks.rank_nasbench201 import CELL_COLUMNS, TABLE, cells
from service.predictors.fitted import FittedPredictor, Observations
from service.predictors.methods import cross_validate_method, make_regressor
from service.predictors.scores import rank_correlation

PREFIX = "latency_ms_"
CHOSEN_DRAWS = 2


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
    print("| device | tau | inside the 90% interval | tau of the mixture | chosen | half of all |")
    print("| --- | --- | --- | --- | --- | --- |")
    found = {}
    for name in (name for name in rows[0] if name.startswith(PREFIX)):
        values = np.array([float(row[name]) for row in rows])
        taus, inside = _draws(features, values, arguments.measurements, arguments.seeds)
        chosen, mixtures = _choices(features, values, arguments.measurements)
        bound = _bound(features, values)
        device = name.removeprefix(PREFIX)
        found[device] = {
            "tau": taus,
            "coverage": inside,
            "mixture": mixtures,
            "method": chosen,
            "bound": bound,
        }
        print(
            f"| {device} | {np.mean(taus):.3f} ± {np.std(taus, ddof=1):.3f} | {100 * inside:.0f}% | "
            f"{np.mean(mixtures):.3f} | {', '.join(dict.fromkeys(chosen))} | {bound:.3f} |",
            flush=True,
        )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


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


def _bound(features: Floats, values: Floats) -> float:
    """Tau of the additive method when half of all cells were measured, on the other half."""
    order = np.random.default_rng(0).permutation(len(values))
    train, test = np.array_split(order, 2)
    model = make_regressor("additive", CELL_COLUMNS).fit(features[train], values[train])
    return rank_correlation(model.predict(features[test]).score_M, values[test])


if __name__ == "__main__":
    main()
