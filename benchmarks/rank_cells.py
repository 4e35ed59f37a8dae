"""What the ranking benchmarks share: draws, scores, tables."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.predictors.few_shot import FewShotRegressor, rank_correlation

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """Kendall's tau of a method at a number of training cells: mean and standard deviation over seeds."""

    method: str
    cells: int
    tau: float
    spread: float


def read_table(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def shared_table(name: str) -> Path:
    """The default place of a data file: below WEIGHTCAST_SHARED_DIR."""
    return Path(os.environ.get("WEIGHTCAST_SHARED_DIR", ".")) / "data" / name


def measure(
    features: Floats, values: Floats, cost: Floats, sizes: Sequence[int], seeds: int, test_cells: int | None
) -> list[Row]:
    """Train on random cells, test on all others (or on `test_cells` random ones of these), for every seed."""
    found: list[Row] = []
    for size in sizes:
        taus: dict[str, list[float]] = {"structure": [], "cost alone": []}
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(values))
            train, test = order[:size], order[size:][:test_cells]
            model = FewShotRegressor(seed=seed).fit(features[train], values[train])
            taus["structure"].append(rank_correlation(model.predict(features[test]).score_M, values[test]))
            taus["cost alone"].append(rank_correlation(cost[test], values[test]))
        for method, measured in taus.items():
            found.append(
                Row(
                    method,
                    size,
                    float(np.mean(measured)),
                    float(np.std(measured, ddof=1)) if seeds > 1 else 0.0,
                )
            )
    return found


def show(
    title: str, rows: Sequence[Row], published: dict[str, dict[int, float]], json_file: Path | None
) -> None:
    """Print a table, methods down, training cells across; write the same as JSON."""
    sizes = sorted({row.cells for row in rows})
    print(title)
    print(f"{'training cells':28}" + "".join(f"{size:>16}" for size in sizes))
    for name, numbers in published.items():
        cells = (f"{numbers[size]:.3f}" if size in numbers else "" for size in sizes)
        print(f"{name + ' (published)':28}" + "".join(f"{cell:>16}" for cell in cells))
    for method in dict.fromkeys(row.method for row in rows):
        by_size = {row.cells: f"{row.tau:.3f} ± {row.spread:.3f}" for row in rows if row.method == method}
        print(f"{method:28}" + "".join(f"{by_size[size]:>16}" for size in sizes))
    if json_file is not None:
        document = {"title": title, "rows": [asdict(row) for row in rows], "published": published}
        json_file.write_text(json.dumps(document, indent=2) + "\n")
