"""Ranking spaces where widths or blocks differ layer by layer, from a few results: the size space of
NATS-Bench, and NAS-Bench-Macro; CIFAR-10 accuracy.

    python -m benchmarks.rank_spaces [--results 100] [--networks 500] [--draws 5] [--validation]
        [--space NAME]
    python -m benchmarks.rank_spaces --most [--draws 5]

Rows with an even number are the validation part, on which features and methods were chosen; the table is
computed on the others. Networks of each draw that are not learned from are its test. `chosen` is what
`weightcast predictor fit` does: the method that cross-validation on the results takes.

--most: how well the size space can be ranked at all, as its accuracies are of few trainings each: a Gaussian
process in the logarithms of the five true widths, from so many results of the whole table, on the rest.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from benchmarks.rank_cells import Floats, read_table, shared_table
from service.graph_io.read import read_document
from service.predictors.features.architectures import feature_names, features_of
from service.predictors.rankers.fitted import FittedPredictor, Observations
from service.predictors.regressors.methods import make_regressor
from service.predictors.regressors.scores import rank_correlation

MOST_FOR_SCALES = 400
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
    rows = read_table(shared_table(file))
    log_N5 = np.log2([[float(width) for width in row["arch"].split(":")] for row in rows])
    value_N = np.array([float(row[column]) for row in rows])
    print("| results | tau of a Gaussian process in the true widths |\n| --- | --- |")
    for count in (100, 1000, 3000):
        taus = []
        for draw in range(options.draws):
            learned, rest = np.split(np.random.default_rng(draw).permutation(len(value_N)), [count])
            process = _process_in_widths(log_N5[learned], value_N[learned])
            taus.append(rank_correlation(process.predict(log_N5[rest]), value_N[rest]))
        print(f"| {count:,} | {np.mean(taus):.3f} ± {np.std(taus):.3f} |", flush=True)


def _process_in_widths(log_N5: Floats, value_N: Floats) -> GaussianProcessRegressor:
    """Its length scales are learned from the first results, as that takes most of the time."""
    kernel = ConstantKernel(10.0) * RBF([3.0] * log_N5.shape[1], (0.5, 100)) + WhiteKernel(0.1)
    scales = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    scales.fit(log_N5[:MOST_FOR_SCALES], value_N[:MOST_FOR_SCALES])
    return GaussianProcessRegressor(scales.kernel_, optimizer=None, normalize_y=True).fit(log_N5, value_N)


def _features(name: str, field: str, codes: Sequence[str]) -> Floats:
    documents = [{"format": name, field: code} for code in codes]
    return np.array([features_of(document, "network", read=read_document) for document in documents])


if __name__ == "__main__":
    main()
