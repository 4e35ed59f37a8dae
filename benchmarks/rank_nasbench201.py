"""Ranking NAS-Bench-201 cells by CIFAR-10 test accuracy (200 epochs) from few trained cells; all other cells
are the test.

    python -m benchmarks.rank_nasbench201 [--table nasbench201.csv.gz] [--sizes 39 78 156 469] [--seeds 10]
    [--json FILE]

Published figures: HyperNAS, table 1 (Kendall's tau; NP and PINAT as cited there).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.rank_cells import measure, read_table, shared_table, show
from service.graph_io.cells.nasbench201 import parse_cell
from service.predictors.cell_features import feature_matrix
from service.predictors.structure import structure_of_nasbench201

PUBLISHED = {
    "NP": {39: 0.655, 78: 0.626, 156: 0.696, 469: 0.757},
    "PINAT": {39: 0.494, 78: 0.549, 156: 0.631, 469: 0.706},
    "HyperNAS": {39: 0.667, 78: 0.677, 156: 0.765, 469: 0.836},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", type=Path, default=shared_table("nasbench201/nasbench201.csv.gz"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[39, 78, 156, 469])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = read_table(arguments.table)
    structures = [structure_of_nasbench201(parse_cell(row["arch_str"])) for row in rows]
    values = np.array([float(row["cifar10_test_200ep"]) for row in rows])
    cost = np.array([structure.cost for structure in structures])
    found = measure(feature_matrix(structures), values, cost, arguments.sizes, arguments.seeds, None)
    title = f"NAS-Bench-201, Kendall's tau on all other cells, mean ± deviation of {arguments.seeds} draws"
    show(title, found, PUBLISHED, arguments.json)


if __name__ == "__main__":
    main()
