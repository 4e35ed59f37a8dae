"""What the ranking benchmarks share: the two parts of a table of cells, draws, scores, printed tables.

A row of a table whose number is divisible by five belongs to the validation part: features, methods and their
constants were chosen on it. What the benchmarks print is computed on the other four fifths alone, training
cells included.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.predictors.regressors.methods import Columns, Method, cross_validate_method, make_regressor
from service.predictors.regressors.scores import NORMAL_MARGIN, rank_correlation

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

VALIDATION_EVERY = 5
CALIBRATED_DRAWS = 1


@dataclass(frozen=True)
class Row:
    """Kendall's tau of a method at a number of training cells: mean and standard deviation over seeds.
    coverage: share of test values inside the predicted 90% intervals; None where there are none.
    """

    method: str
    cells: int
    tau: float
    spread: float
    coverage: float | None = None


@dataclass(frozen=True)
class Table:
    """feature_NF: rows of features, value_N: what was measured, cost_N: a ranking that needs no training."""

    feature_NF: Floats
    value_N: Floats
    cost_N: Floats
    columns: Columns


def read_table(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def shared_table(name: str) -> Path:
    """The default place of a data file: below WEIGHTCAST_SHARED_DIR."""
    return Path(os.environ.get("WEIGHTCAST_SHARED_DIR", ".")) / "data" / name


def part(rows: int, *, validation: bool) -> Rows:
    """Numbers of the rows of one part, in order."""
    numbers = np.arange(rows)
    chosen: Rows = numbers[(numbers % VALIDATION_EVERY == 0) == validation]
    return chosen


def measure(
    table: Table,
    methods: Sequence[Method],
    sizes: Sequence[int],
    seeds: int,
    test_cells: int | None = None,
    *,
    report: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Train on random cells, test on all others (or on `test_cells` random ones of these), for every seed.

    Intervals are calibrated by cross-validation on the training cells alone, in the first draws only: it
    takes five fits more.
    """
    rows: list[Row] = []
    for size in sizes:
        taus: dict[str, list[float]] = {name: [] for name in (*methods, "cost alone")}
        covered: dict[str, list[float]] = {name: [] for name in methods}
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(table.value_N))
            train, test = order[:size], order[size:][:test_cells]
            feature_NF, value_N, value_M = table.feature_NF[train], table.value_N[train], table.value_N[test]
            for method in methods:
                margin = NORMAL_MARGIN
                if seed < CALIBRATED_DRAWS:
                    margin = cross_validate_method(method, table.columns, feature_NF, value_N).margin
                model = make_regressor(method, table.columns, margin=margin)
                predicted = model.fit(feature_NF, value_N).predict(table.feature_NF[test])
                taus[method].append(rank_correlation(predicted.score_M, value_M))
                inside = (predicted.low_M <= value_M) & (value_M <= predicted.high_M)
                if seed < CALIBRATED_DRAWS:
                    covered[method].append(float(inside.mean()))
            taus["cost alone"].append(rank_correlation(table.cost_N[test], value_M))
            so_far = ", ".join(f"{name} {measured[-1]:.3f}" for name, measured in taus.items())
            report(f"{size} cells, draw {seed + 1} of {seeds}: {so_far}")
        for name, measured in taus.items():
            spread = float(np.std(measured, ddof=1)) if seeds > 1 else 0.0
            coverage = float(np.mean(covered[name])) if name in covered else None
            rows.append(Row(name, size, float(np.mean(measured)), spread, coverage))
    return rows


def show(
    title: str,
    rows: Sequence[Row],
    published: dict[str, dict[int, float]],
    json_file: Path | None,
    *,
    what: str = "training cells",
) -> None:
    """Print a table in Markdown, methods down, training cells across; write the same as JSON."""
    sizes = sorted({row.cells for row in rows})
    print(f"{title}\n")
    print(f"| {what} | " + " | ".join(map(str, sizes)) + " |")
    print("| --- |" + " --- |" * len(sizes))
    for name, numbers in published.items():
        print(f"| {name} (published) | " + " | ".join(f"{numbers[size]:.3f}" for size in sizes) + " |")
    for method in dict.fromkeys(row.method for row in rows):
        of_method = {row.cells: row for row in rows if row.method == method}
        cells = (f"{of_method[size].tau:.3f} ± {of_method[size].spread:.3f}" for size in sizes)
        print(f"| {method} | " + " | ".join(cells) + " |")
        coverages = [of_method[size].coverage for size in sizes]
        if any(coverage is not None for coverage in coverages):
            percent = (f"{100 * coverage:.0f}%" if coverage is not None else "" for coverage in coverages)
            print(f"| {method}: values inside the 90% interval | " + " | ".join(percent) + " |")
    if json_file is not None:
        document = {"title": title, "rows": [asdict(row) for row in rows], "published": published}
        json_file.write_text(json.dumps(document, indent=2) + "\n")
