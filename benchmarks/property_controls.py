"""Figure 4 of the GHN-2 paper with its controls: what do embeddings of several GHNs, trained or not, and a
predictor that is trained for the property alone, say of properties of networks?

    python -m benchmarks.property_controls [--cells 300] [--learned 100] [--draws 10] [--ghn NAME=FOLDER ...]

Cells of NAS-Bench-201 (test part), whose accuracy after 200 epochs and latency are tabulated, as networks of
one cell a stage. What is not drawn to be learned from is the test. Every column but NeuPred has the same
regressor. --ghn: another GHN's model folder, such as those that `benchmarks.ablations` leaves.

Table 9, small: of all the cells of the test part that were not learned from, the mean accuracy of the best by
each predictor and of random ones.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.neupred import neupred_scores
from benchmarks.rank_cells import Floats, Rows, part, read_table, shared_table
from service.ghn.checkpoint import load_checkpoint
from service.ghn.config import GHN1_CIFAR10, MLP_CIFAR10, GHNConfig
from service.ghn.model import GHN
from service.ghn.predict import embedding
from service.graph_io.primitives import PrimitiveGraph, to_primitives
from service.graph_io.read import read_document
from service.models.catalog import find_card
from service.predictors.features.architectures import features_of
from service.predictors.features.structure import cell_structure
from service.predictors.regressors.embedding import EmbeddingRegressor
from service.predictors.regressors.scores import rank_correlation

COLUMNS = {"accuracy": "cifar10_test_200ep", "latency": "latency_ms_titan_rtx_256"}
# The best so many, by each predictor.
BEST = 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, default=shared_table("nasbench201/nasbench201.csv.gz"))
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--learned", type=int, default=100)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--ghn", nargs="*", default=[], metavar="NAME=FOLDER")
    options = parser.parse_args()
    torch.set_num_threads(1)
    documents, values = _cells(options.table, options.cells)
    graphs = [to_primitives(read_document({**document, "cells_per_stage": 1})) for document in documents]
    rows = {"structure": np.array([features_of(document, "cell") for document in documents])}
    for name, ghn in ghns(options.ghn).items():
        rows[f"{name} embedding"] = embeddings(ghn, graphs)
        _tell(f"embedded by {name}")
    print(
        f"{len(graphs)} cells, {options.learned} learned from: Kendall's tau on the others, mean ± deviation "
        f"of {options.draws} draws; accuracy of the best {BEST} of the others\n\n"
        f"| | {' | '.join(COLUMNS)} | best {BEST}, % |\n|{' --- |' * (2 + len(COLUMNS))}"
    )
    draws = [split(len(graphs), draw, options.learned) for draw in range(options.draws)]
    for name, feature_NF in rows.items():
        predicted = {
            which: [_regressed(feature_NF, values[which], learned) for learned, _ in draws]
            for which in COLUMNS
        }
        print(line(name, predicted, values, draws), flush=True)
    learned_alone = {
        which: [_reported(neupred_scores(graphs, values[which], learned, draw), which, draw)
                for draw, (learned, _) in enumerate(draws)]
        for which in COLUMNS
    }  # fmt: skip
    print(line("NeuPred", learned_alone, values, draws))
    by_chance = [np.mean(values["accuracy"][test]) for _, test in draws]
    best = [np.mean(np.sort(values["accuracy"][test])[-BEST:]) for _, test in draws]
    print(f"| random | | | {np.mean(by_chance):.2f} ± {np.std(by_chance, ddof=1):.2f} |")
    print(f"| the best there are | | | {np.mean(best):.2f} ± {np.std(best, ddof=1):.2f} |")


def _cells(table: Path, count: int) -> tuple[list[dict[str, str]], dict[str, Floats]]:
    """Random cells of the test part that are connected, and their values by property."""
    rows = read_table(table)
    documents: list[dict[str, str]] = []
    values: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for number in np.random.default_rng(0).permutation(part(len(rows), validation=False)):
        document = {"format": "nasbench201", "cell": rows[number]["arch_str"]}
        if not cell_structure(document).is_connected:
            continue
        documents.append(document)
        for name, column in COLUMNS.items():
            values[name].append(float(rows[number][column]))
        if len(documents) == count:
            break
    return documents, {name: np.array(column) for name, column in values.items()}


def ghns(others: list[str]) -> dict[str, GHN]:
    """By name; those without training have random weights."""
    trained = {"GHN-2 (ghn2-cifar10)": load_checkpoint(find_card("ghn2-cifar10").path)}
    for other in others:
        name, _, folder = other.partition("=")
        trained[name] = load_checkpoint(Path(folder))
    configs = {"GHN-2": GHNConfig(), "GHN-1": GHN1_CIFAR10, "MLP": MLP_CIFAR10}
    torch.manual_seed(0)
    return trained | {f"untrained {name}": GHN(config).eval() for name, config in configs.items()}


def embeddings(ghn: GHN, graphs: list[PrimitiveGraph]) -> Floats:
    """Of every network the mean of its node states."""
    return np.array([embedding(ghn, graph) for graph in graphs])


def split(count: int, draw: int, learned: int) -> tuple[Rows, Rows]:
    """Places to learn from, and the others."""
    order = np.random.default_rng(draw).permutation(count)
    return order[:learned], order[learned:]


def _regressed(rows: Floats, values: Floats, learned: Rows) -> Floats:
    return EmbeddingRegressor().fit(rows[learned], values[learned]).predict(rows).score_M


def line(
    name: str,
    predicted: dict[str, list[Floats]],
    values: dict[str, Floats],
    draws: list[tuple[Rows, Rows]],
) -> str:
    """A row of the table: tau of each property, accuracy of the best by the scores of accuracy."""
    cells = []
    for which, scores in predicted.items():
        taus = [
            rank_correlation(score[test], values[which][test])
            for score, (_, test) in zip(scores, draws, strict=True)
        ]
        cells.append(f"{np.mean(taus):.3f} ± {np.std(taus, ddof=1):.3f}")
    chosen = [
        np.mean(values["accuracy"][test[np.argsort(-score[test], kind="stable")[:BEST]]])
        for score, (_, test) in zip(predicted["accuracy"], draws, strict=True)
    ]
    cells.append(f"{np.mean(chosen):.2f} ± {np.std(chosen, ddof=1):.2f}")
    return f"| {name} | {' | '.join(cells)} |"


def _reported(scores: Floats, which: str, draw: int) -> Floats:
    _tell(f"NeuPred of {which}, draw {draw + 1}")
    return scores


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
