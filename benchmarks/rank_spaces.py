"""Ranking spaces where widths or blocks differ layer by layer, from a few results: the size space of
NATS-Bench, and NAS-Bench-Macro; CIFAR-10 accuracy.

    python -m benchmarks.rank_spaces [--results 100] [--networks 500] [--draws 5] [--validation]
        [--space NAME]
    python -m benchmarks.rank_spaces --most [--draws 5] [--validation]

Rows with an even number are the validation part, on which features and methods were chosen; the table is
computed on the others. Networks of each draw that are not learned from are its test. `chosen` is what
`weightcast predictor fit` does: the method that cross-validation on the results takes.

--most: how well the size space can be ranked at all, as its accuracies are of few trainings each: a quadratic
in the logarithms of the five widths, from so many of its results.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmarks.rank_cells import Floats, read_table, shared_table
from service.graph_io.read import read_document
from service.predictors.features.architectures import feature_names, features_of
from service.predictors.rankers.fitted import FittedPredictor, Observations
from service.predictors.regressors.methods import make_regressor
from service.predictors.regressors.scores import normal_scores, rank_correlation

# File, field of the document, column of the accuracy.
SPACES = {
    "nats_size": ("spaces/nats_size_cifar10.csv.gz", "sizes", "cifar10"),
    "nasbench_macro": ("spaces/nasbench_macro_cifar10.csv.gz", "code", "mean_acc"),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=int, default=100)
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--validation", action="store_true")
    parser.add_argument("--space", choices=tuple(SPACES), action="append")
    parser.add_argument("--most", action="store_true")
    options = parser.parse_args(argv)
    if options.most:
        _most(options)
        return
    part = "validation" if options.validation else "test"
    print(
        f"Kendall's tau from {options.results} results, {part} half, mean ± deviation of "
        f"{options.draws} draws\n"
    )
    print("| space | chosen | mixture | smooth | multiply-adds alone | methods that were chosen |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in options.space or SPACES:
        print(_row(name, options), flush=True)


def _row(name: str, options: argparse.Namespace) -> str:
    file, field, column = SPACES[name]
    rows = read_table(shared_table(file))[0 if options.validation else 1 :: 2]
    order = np.random.default_rng(0).permutation(len(rows))[: options.networks]
    chosen = [rows[place] for place in order]
    features = _features(name, field, [row["arch"] for row in chosen])
    values = np.array([float(row[column]) for row in chosen])
    cost = features[:, feature_names("network").index("log_multiply_adds")]
    taus: dict[str, list[float]] = {"chosen": [], "mixture": [], "smooth": [], "cost": []}
    methods: Counter[str] = Counter()
    for draw in range(options.draws):
        learned, rest = np.split(np.random.default_rng(draw).permutation(len(values)), [options.results])
        seen = Observations("network", (name,), features[learned], values[learned])
        predictor = FittedPredictor(name, "accuracy", seen)
        predictor.cross_validate()
        methods[str(predictor.method)] += 1
        scores = {"chosen": predictor.regressor.predict(features[rest]).score_M, "cost": cost[rest]}
        for method in ("mixture", "smooth"):
            regressor = make_regressor(method, seen.columns).fit(features[learned], values[learned])
            scores[method] = regressor.predict(features[rest]).score_M
        for key, score in scores.items():
            taus[key].append(rank_correlation(score, values[rest]))
    cells = [f"{np.mean(draws):.3f} ± {np.std(draws):.3f}" for draws in taus.values()]
    return (
        f"| {name} | {' | '.join(cells)} | {', '.join(f'{key} {count}' for key, count in methods.items())} |"
    )


def _most(options: argparse.Namespace) -> None:
    file, _, column = SPACES["nats_size"]
    rows = read_table(shared_table(file))[0 if options.validation else 1 :: 2]
    log_N5 = np.log2([[float(width) for width in row["arch"].split(":")] for row in rows])
    value_N = np.array([float(row[column]) for row in rows])
    pairs = [(i, j) for i in range(log_N5.shape[1]) for j in range(i + 1)]
    products = [log_N5[:, i] * log_N5[:, j] for i, j in pairs]
    terms_NT = np.column_stack([np.ones(len(log_N5)), log_N5, *products])
    print("| results | tau of a quadratic |\n| --- | --- |")
    for count in (100, 350, 1500):
        taus = []
        for draw in range(options.draws):
            learned, rest = np.split(np.random.default_rng(draw).permutation(len(value_N)), [count])
            weight_T, *_ = np.linalg.lstsq(terms_NT[learned], normal_scores(value_N[learned]), rcond=None)
            taus.append(rank_correlation(terms_NT[rest] @ weight_T, value_N[rest]))
        print(f"| {count:,} | {np.mean(taus):.3f} ± {np.std(taus):.3f} |")


def _features(name: str, field: str, codes: Sequence[str]) -> Floats:
    documents = [{"format": name, field: code} for code in codes]
    return np.array([features_of(document, "network", read=read_document) for document in documents])


if __name__ == "__main__":
    main()
