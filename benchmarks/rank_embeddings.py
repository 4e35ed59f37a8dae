"""Learning accuracy and latency of NAS-Bench-201 cells from embeddings of a GHN, from structure, from both.

    python -m benchmarks.rank_embeddings [--model ghn2-cifar10] [--cells 1500] [--sizes 50 156 469]
        [--seeds 5] [--cache FILE.npz] [--json FILE]

Cells are random connected ones of the test part (`rank_cells.py`); those not drawn for training are the test.
Properties: CIFAR-10 test accuracy and the latency of one device. The embeddings are kept in the cache file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from benchmarks.rank_cells import Floats, Row, Rows, Table, measure, part, read_table, shared_table, show
from benchmarks.rank_nasbench201 import CELL_COLUMNS
from service.ghn.registry import LoadedModel, load_model
from service.graph_io.read import read_document
from service.predictors.features.architectures import features_of
from service.predictors.features.cells import FEATURES
from service.predictors.features.structure import cell_structure
from service.predictors.regressors.methods import Method

PROPERTIES: dict[str, tuple[str, tuple[Method, ...]]] = {
    "accuracy": ("cifar10_test_200ep", ("mixture", "embedding", "both")),
    "latency": ("latency_ms_titan_rtx_256", ("additive", "embedding")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", type=Path, default=shared_table("nasbench201/nasbench201.csv.gz"))
    parser.add_argument("--model", default="ghn2-cifar10")
    parser.add_argument("--cells", type=int, default=1500)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 156, 469])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path("runs/rank/embeddings.npz"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = read_table(arguments.table)
    documents = [{"format": "nasbench201", "cell": row["arch_str"]} for row in rows]
    shuffled = np.random.default_rng(0).permutation(part(len(rows), validation=False))
    connected = [number for number in shuffled if cell_structure(documents[number]).is_connected]
    chosen = np.array(connected[: arguments.cells])
    embedded = _embeddings(load_model(arguments.model), documents, chosen, arguments.cache)
    structure = np.array([features_of(documents[number], "cell") for number in chosen])
    results: list[Row] = []
    for name, (column, methods) in PROPERTIES.items():
        values = np.array([float(rows[number][column]) for number in chosen])
        cost = structure[:, FEATURES.index("cost")]
        table = Table(np.hstack([structure, embedded]), values, cost, CELL_COLUMNS)
        measured = measure(
            table,
            methods,
            arguments.sizes,
            arguments.seeds,
            report=lambda line: print(line, file=sys.stderr),
        )
        results += [
            Row(f"{name}: {row.method}", row.cells, row.tau, row.spread, row.coverage) for row in measured
        ]
    title = (
        f"NAS-Bench-201 with embeddings of {arguments.model}, Kendall's tau on the rest of {len(chosen):,} "
        f"cells (test part), mean ± deviation of {arguments.seeds} draws"
    )
    show(title, results, {}, arguments.json)


def _embeddings(model: LoadedModel, documents: list[dict[str, str]], chosen: Rows, cache: Path) -> Floats:
    """One row a chosen cell; from the cache if it holds just these of this model."""
    if cache.is_file():
        with np.load(cache) as kept:
            if str(kept["digest"]) == model.card.digest and np.array_equal(kept["chosen"], chosen):
                embedded: Floats = kept["embeddings"]
                return embedded
    parts = []
    for start in range(0, len(chosen), 8):
        graphs = [read_document(documents[number]) for number in chosen[start : start + 8]]
        parts.append(model.embed(graphs).astype(np.float64))
        print(f"embedded {start + len(graphs)} of {len(chosen)}", file=sys.stderr)
    cache.parent.mkdir(parents=True, exist_ok=True)
    embedded = np.concatenate(parts)
    np.savez(cache, digest=model.card.digest, chosen=chosen, embeddings=embedded)
    return embedded


if __name__ == "__main__":
    main()
