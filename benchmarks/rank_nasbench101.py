"""Ranking NAS-Bench-101 cells by CIFAR-10 test accuracy (108 epochs) from few trained cells; other cells are
the test.

    python -m benchmarks.rank_nasbench101 [--table nasbench101_subset.csv.gz] [--sizes 100 172 424] [--seeds
        10] [--test-cells 10000] [--json FILE]

The table at hand is a part of the benchmark and no uniform sample of it: figures published on the whole of
it do not compare.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.rank_cells import measure, read_table, shared_table, show
from service.graph_io.cells.nasbench101 import parse_cell
from service.predictors.cell_features import feature_matrix
from service.predictors.structure import structure_of_nasbench101


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", type=Path, default=shared_table("nasbench101/nasbench101_subset.csv.gz"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 172, 424])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--test-cells", type=int, default=10_000, help="random other cells to test on, a draw"
    )
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    # One pool for all draws: features of 100,000 cells take a minute that nothing is learned from.
    rows = read_table(arguments.table)
    pool = np.random.default_rng(0).permutation(len(rows))[: 2 * arguments.test_cells]
    structures = [structure_of_nasbench101(parse_cell(rows[i]["adj_upper"], rows[i]["ops"])) for i in pool]
    values = np.array([float(rows[i]["test_mean"]) for i in pool])
    cost = np.array([structure.cost for structure in structures])
    found = measure(
        feature_matrix(structures), values, cost, arguments.sizes, arguments.seeds, arguments.test_cells
    )
    title = (
        f"NAS-Bench-101, Kendall's tau on {arguments.test_cells:,} other cells, "
        f"mean ± deviation of {arguments.seeds} draws"
    )
    show(title, found, {}, arguments.json)


if __name__ == "__main__":
    main()
