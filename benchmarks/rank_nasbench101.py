"""Ranking NAS-Bench-101 cells by CIFAR-10 test accuracy (108 epochs) from few trained cells; other cells of
the test part (`rank_cells.py`) are the test.

    python -m benchmarks.rank_nasbench101 [--table nasbench101_subset.csv.gz] [--sizes 100 172 424] [--seeds
        10] [--test-cells 10000] [--validation] [--json FILE]

The table at hand is a part of the benchmark and no uniform sample of it: figures published on the whole of
it do not compare.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from benchmarks.rank_cells import Table, measure, part, read_table, shared_table, show
from service.predictors.features.architectures import feature_names, features_of, structure_size
from service.predictors.features.cells import FEATURES
from service.predictors.regressors.methods import Columns

TABLE = "nasbench101/nasbench101_subset.csv.gz"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", type=Path, default=shared_table(TABLE))
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 172, 424])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--test-cells", type=int, default=10_000, help="random other cells to test on, a draw"
    )
    parser.add_argument("--validation", action="store_true", help="the part that choices were made on")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = read_table(arguments.table)
    # One pool for all draws: features of 80,000 cells take a minute that nothing is learned from.
    numbers = np.random.default_rng(0).permutation(part(len(rows), validation=arguments.validation))
    pool = [rows[number] for number in numbers[: 2 * arguments.test_cells]]
    documents = [{"format": "nasbench101", "matrix": row["adj_upper"], "ops": row["ops"]} for row in pool]
    features = np.array([features_of(document, "cell") for document in documents])
    values = np.array([float(row["test_mean"]) for row in pool])
    columns = Columns(structure_size("cell"), len(feature_names("cell")))
    table = Table(features, values, features[:, FEATURES.index("cost")], columns)
    results = measure(
        table,
        ["mixture"],
        arguments.sizes,
        arguments.seeds,
        arguments.test_cells,
        report=lambda line: print(line, file=sys.stderr),
    )
    title = (
        f"NAS-Bench-101, Kendall's tau on {arguments.test_cells:,} other cells "
        f"({'validation' if arguments.validation else 'test'} part), "
        f"mean ± deviation of {arguments.seeds} draws"
    )
    show(title, results, {}, arguments.json)


if __name__ == "__main__":
    main()
