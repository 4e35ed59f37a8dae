"""The ranker that needs no observations: fitted on NAS-Bench-101, tried on other spaces.

    python -m benchmarks.rank_transfer [--cells 2000] [--export FOLDER] [--json FILE]

Fits on random cells of the test part of NAS-Bench-101 (`rank_cells.py`), scores random cells of both parts of
NAS-Bench-201, and the networks of torchvision that have a first set of published ImageNet weights
(accuracies as torchvision publishes them). Which features it has was chosen on the validation part of
NAS-Bench-201 and with a look at torchvision: the last figure is not one for unseen data. --export writes the
model folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from benchmarks.rank_cells import Floats, part, read_table, shared_table
from service.errors import ServiceError
from service.graph_io.read import read_document
from service.predictors.features.structure import cell_structure
from service.predictors.rankers.pretrained import (
    RANKER,
    RANKER_FEATURES,
    LinearModel,
    nasbench201_features,
    ranker_features,
    save_ranker,
)
from service.predictors.regressors.scores import normal_scores, rank_correlation

NASBENCH101, NASBENCH201 = "nasbench101/nasbench101_subset.csv.gz", "nasbench201/nasbench201.csv.gz"
STRENGTH = 10.0
BOOTSTRAPS = 200
MOST_CELLS = 3000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--nasbench101", type=Path, default=shared_table("nasbench101/nasbench101_subset.csv.gz")
    )
    parser.add_argument("--nasbench201", type=Path, default=shared_table("nasbench201/nasbench201.csv.gz"))
    parser.add_argument("--cells", type=int, default=2000, help="NAS-Bench-101 cells to fit on")
    parser.add_argument("--export", type=Path, metavar="FOLDER")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    feature_NF, value_N = _nasbench101(arguments.nasbench101, arguments.cells)
    half = len(value_N) // 2
    trial = fit(feature_NF[:half], value_N[:half])
    model = fit(feature_NF, value_N)
    sets: dict[str, tuple[LinearModel, Floats, Floats]] = {
        "NAS-Bench-101, cells not fitted on": (trial, feature_NF[half:], value_N[half:]),
        "NAS-Bench-201, validation part": (model, *_nasbench201(arguments.nasbench201, validation=True)),
        "NAS-Bench-201, test part": (model, *_nasbench201(arguments.nasbench201, validation=False)),
        "torchvision, ImageNet accuracy": (model, *_torchvision()),
    }
    print("Kendall's tau without any observation, with its 90% bootstrap interval\n")
    print("| networks | number | ranker | multiply-adds alone |")
    print("| --- | --- | --- | --- |")
    scores: dict[str, Any] = {}
    for name, (fitted, features, values) in sets.items():
        tau, low, high = _interval(fitted.scores(features), values)
        alone = rank_correlation(features[:, 0], values)
        scores[name] = {
            "kendall_tau": round(tau, 3),
            "interval": [round(low, 3), round(high, 3)],
            "networks": len(values),
            "multiply_adds_alone": round(alone, 3),
        }
        print(f"| {name} | {len(values):,} | {tau:.3f} ({low:.3f} to {high:.3f}) | {alone:.3f} |", flush=True)
    weights = model.coefficient_F / model.scale_F
    print("\n" + ", ".join(f"{name} {w:+.3f}" for name, w in zip(RANKER_FEATURES, weights, strict=True)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(scores, indent=2) + "\n")
    if arguments.export is not None:
        save_ranker(arguments.export, model, _card(scores, arguments.cells))


def fit(feature_NF: Floats, value_N: Floats) -> LinearModel:
    """Ridge regression of normal scores on standardised features."""
    mean_F, scale_F = feature_NF.mean(axis=0), feature_NF.std(axis=0)
    ridge = Ridge(alpha=STRENGTH).fit((feature_NF - mean_F) / scale_F, normal_scores(value_N))
    return LinearModel(np.asarray(ridge.coef_, dtype=np.float64), mean_F, scale_F)


def _nasbench101(path: Path, cells: int) -> tuple[Floats, Floats]:
    rows = read_table(path)
    chosen = np.random.default_rng(0).permutation(part(len(rows), validation=False))[:cells]
    documents = [
        {"format": "nasbench101", "matrix": rows[i]["adj_upper"], "ops": rows[i]["ops"]} for i in chosen
    ]
    return _features(documents), np.array([float(rows[i]["test_mean"]) for i in chosen])


def _nasbench201(path: Path, *, validation: bool) -> tuple[Floats, Floats]:
    """Connected cells only: the others are no networks."""
    rows = read_table(path)
    features, values = [], []
    chosen = np.random.default_rng(0).permutation(part(len(rows), validation=validation))[:MOST_CELLS]
    for number in chosen:
        cell = cell_structure({"format": "nasbench201", "cell": rows[number]["arch_str"]})
        if cell.is_connected:
            features.append(nasbench201_features(cell))
            values.append(float(rows[number]["cifar10_test_200ep"]))
    return np.array(features), np.array(values)


def _torchvision() -> tuple[Floats, Floats]:
    # torchvision takes seconds to import
    import torchvision

    from service.graph_io.torch_tracer import trace_torchvision

    features, values = [], []
    for name in torchvision.models.list_models(module=torchvision.models):
        weights = getattr(torchvision.models.get_model_weights(name), "IMAGENET1K_V1", None)
        if weights is None:
            continue
        try:
            features.append(ranker_features(trace_torchvision(name)))
        except ServiceError as error:
            print(f"{name}: {error.detail}")
            continue
        values.append(float(weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]))
    return np.array(features), np.array(values)


def _features(documents: Sequence[Mapping[str, Any]]) -> Floats:
    return np.array([ranker_features(read_document(document)) for document in documents])


def _interval(score_N: Floats, value_N: Floats) -> tuple[float, float, float]:
    """Tau and its 90% interval over networks."""
    generator = np.random.default_rng(0)
    size = min(len(value_N), 2000)  # more of them change the interval by less than its last digit
    samples = (generator.integers(len(value_N), size=size) for _ in range(BOOTSTRAPS))
    low, high = np.quantile([rank_correlation(score_N[s], value_N[s]) for s in samples], [0.05, 0.95])
    return rank_correlation(score_N, value_N), float(low), float(high)


def _card(scores: Mapping[str, Any], cells: int) -> dict[str, Any]:
    tried = scores["NAS-Bench-201, test part"]
    vision = scores["torchvision, ImageNet accuracy"]
    return {
        "name": RANKER,
        "kind": "predictor",
        "description": "Ranks image classifiers by expected accuracy. It needs no observations.",
        "training": {
            "property": "accuracy",
            "observations": cells,
            "data": "NAS-Bench-101 (Ying et al. 2019, Apache-2.0), CIFAR-10 test accuracy after 108 epochs",
            "features": list(RANKER_FEATURES),
            "command": "python -m benchmarks.rank_transfer --export FOLDER",
        },
        "scores": {
            **scores,
            "note": (
                "No observations needed: a linear score of size, depth, pooling and spatial convolutions, "
                "with weights fitted on NAS-Bench-101. Kendall's tau with accuracy was "
                f"{tried['kendall_tau']:.2f} on NAS-Bench-201 and {vision['kendall_tau']:.2f} on "
                f"torchvision's networks (multiply-adds alone: {tried['multiply_adds_alone']:.2f} and "
                f"{vision['multiply_adds_alone']:.2f}). Other spaces were not measured. Fit a predictor on "
                "a few of your own results for a better order."
            ),
        },
    }


if __name__ == "__main__":
    main()
