"""Searching NAS-Bench-201 with few queries: how far the best cell that was found is from the best there is.

    python -m benchmarks.search_regret [--table nasbench201.csv.gz] [--seeds 20] [--queries 50 100 200]
    [--json FILE]

A query tells the CIFAR-10 test accuracy (200 epochs) of one cell. Regret: accuracy of the best cell of all
15,625 minus that of the best queried one, in percent; mean over seeds, its standard error, median and worst.
A cell that was queried before costs nothing, for every method. Nothing here was chosen on this table: the
settings are the library's defaults.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.rank_cells import Floats, read_table, shared_table
from service.search.nasbench import NASBench201Space
from service.search.searcher import Searcher
from service.search.strategies import RandomSearch, RegularizedEvolution, Strategy

METHODS = (
    "random search",
    "regularised evolution",
    "Searcher (expected improvement)",
    "Searcher (upper confidence)",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--table", type=Path, default=shared_table("nasbench201/nasbench201.csv.gz"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--queries", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    accuracy = {row["arch_str"]: float(row["cifar10_test_200ep"]) for row in read_table(options.table)}
    best, most = max(accuracy.values()), max(options.queries)

    print(f"NAS-Bench-201, CIFAR-10: regret in % after queries; best cell {best:.2f}%; {options.seeds} seeds")
    print(f"{'':34}{'queries':>8}{'mean':>8}{'± s.e.':>8}{'median':>8}{'worst':>8}{'s a seed':>10}")
    rows = []
    for method in options.methods:
        started = time.perf_counter()
        runs = []
        for seed in range(options.seeds):
            runs.append(_regrets(_queried(method, seed, most, accuracy), accuracy, most))
        seconds = (time.perf_counter() - started) / options.seeds
        for queries in options.queries:
            regrets = np.array([run[queries - 1] for run in runs])
            row = {
                "method": method,
                "queries": queries,
                "mean": float(regrets.mean()),
                "stderr": float(regrets.std(ddof=1) / np.sqrt(len(regrets))) if len(regrets) > 1 else 0.0,
                "median": float(np.median(regrets)),
                "worst": float(regrets.max()),
            }
            rows.append(row)
            print(
                f"{method:34}{queries:>8}{row['mean']:>8.3f}{row['stderr']:>8.3f}{row['median']:>8.3f}"
                f"{row['worst']:>8.3f}{seconds:>10.1f}",
                flush=True,
            )
    if options.json is not None:
        options.json.write_text(
            json.dumps({"seeds": options.seeds, "best": best, "rows": rows}, indent=2) + "\n"
        )


def _regrets(cells: Iterator[str], accuracy: dict[str, float], most: int) -> Floats:
    """After every query; a run ends when it has found the best cell, and its regret stays 0."""
    best, regrets = max(accuracy.values()), np.zeros(most)
    reached = -np.inf
    for query, cell in enumerate(cells):
        reached = max(reached, accuracy[cell])
        if reached == best:
            break
        regrets[query] = best - reached
    return regrets


def _queried(method: str, seed: int, most: int, accuracy: dict[str, float]) -> Iterator[str]:
    """The cells that a method queries, in order, each once."""
    if method.startswith("Searcher"):
        acquisition = "upper_confidence" if "upper" in method else "expected_improvement"
        searcher = Searcher(NASBench201Space(), seed=seed, acquisition=acquisition)  # type: ignore[arg-type]
        for _ in range(most):
            document = searcher.ask()
            searcher.tell(document, accuracy[document["cell"]])
            yield document["cell"]
        return
    space, random = NASBench201Space(), Random(f"benchmark/{seed}")
    strategy: Strategy = (
        RandomSearch(space, random) if method == "random search" else RegularizedEvolution(space, random)
    )
    seen: set[str] = set()
    while len(seen) < most:
        document = strategy.ask()
        strategy.tell(document, (accuracy[document["cell"]],))
        if document["cell"] not in seen:
            seen.add(document["cell"])
            yield document["cell"]


if __name__ == "__main__":
    main()
