"""Ranking NAS-Bench-201 cells by CIFAR-10 test accuracy (200 epochs) from few trained cells; the other
cells of the test part (`rank_cells.py`) are the test.

    python -m benchmarks.rank_nasbench201 [--table nasbench201.csv.gz] [--sizes 39 78 156 469] [--seeds 10]
        [--validation] [--json FILE]

Published figures: HyperNAS, table 1 (Kendall's tau; NP and PINAT as cited there).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from benchmarks.rank_cells import Floats, Table, measure, part, read_table, shared_table, show
from service.predictors.features.architectures import feature_names, features_of, structure_size
from service.predictors.features.cells import FEATURES
from service.predictors.regressors.methods import Columns

PUBLISHED = {
    "NP": {39: 0.655, 78: 0.626, 156: 0.696, 469: 0.757},
    "PINAT": {39: 0.494, 78: 0.549, 156: 0.631, 469: 0.706},
    "HyperNAS": {39: 0.667, 78: 0.677, 156: 0.765, 469: 0.836},
}
TABLE = "nasbench201/nasbench201.csv.gz"
CELL_COLUMNS = Columns(structure_size("cell"), len(feature_names("cell")))


def cells(path: Path, *, validation: bool) -> tuple[list[dict[str, str]], Floats]:
    """Rows of one part of the table, and their features."""
    rows = read_table(path)
    chosen = [rows[number] for number in part(len(rows), validation=validation)]
    features = [features_of({"format": "nasbench201", "cell": row["arch_str"]}, "cell") for row in chosen]
    return chosen, np.array(features)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", type=Path, default=shared_table(TABLE))
    parser.add_argument("--sizes", type=int, nargs="+", default=[39, 78, 156, 469])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--validation", action="store_true", help="the part that choices were made on")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows, features = cells(arguments.table, validation=arguments.validation)
    values = np.array([float(row["cifar10_test_200ep"]) for row in rows])
    table = Table(features, values, features[:, FEATURES.index("cost")], CELL_COLUMNS)
    results = measure(
        table, ["mixture"], arguments.sizes, arguments.seeds, report=lambda line: print(line, file=sys.stderr)
    )
    title = (
        f"NAS-Bench-201, Kendall's tau on all other of {len(rows):,} cells "
        f"({'validation' if arguments.validation else 'test'} part), "
        f"mean ± deviation of {arguments.seeds} draws"
    )
    published = {name: known for name, known in PUBLISHED.items() if set(arguments.sizes) <= set(known)}
    show(title, results, published, arguments.json)


if __name__ == "__main__":
    main()
