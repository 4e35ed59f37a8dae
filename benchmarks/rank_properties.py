"""Learning four properties of networks from embeddings of a GHN, from structure, from both (GHN-2 paper,
section 5.2 and figure 4), small.

    python -m benchmarks.rank_properties [--folder runs/properties] [--model ghn2-cifar10] [--draws 10]
        [--predicted-weights IMAGES] [--json FILE] [--export FOLDER]

Networks and what was measured of them: `benchmarks.properties`. Half of them, drawn at random, are learned
from, the other half is the test. --export learns from the structure of all of them, by the method that
cross-validation chooses, and leaves a predictor for each property but latency: those that Weightcast ships.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.network_properties import NOISE, updates_until
from benchmarks.properties import IMAGE_SIZE, RECIPE, TIMED, TRAINED, document_of, graph_of, read_lines
from benchmarks.rank_cells import Floats, Row, Table, measure, show
from service.ghn.checkpoint import load_checkpoint
from service.ghn.registry import load_model
from service.graph_io.read import read_document
from service.models.catalog import find_card
from service.predictors.features.architectures import feature_names, features_of, structure_size
from service.predictors.rankers.fitted import FittedPredictor, Observations, save_predictor
from service.predictors.rankers.ranking import find_ranker
from service.predictors.regressors.methods import CANDIDATES, Columns, Method
from service.predictors.regressors.scores import CrossValidation, rank_correlation
from service.settings import get_settings
from training.data.load import load_dataset
from training.evaluate.accuracy import network_accuracy, predicted_parameters
from training.loop.number_format import native_format
from training.loop.small_operators import begin_thread

CONVERGED = 25.0
COLUMNS = Columns(structure_size("network"), len(feature_names("network")))
METHODS: tuple[Method, ...] = ("embedding", "mixture", "additive", "prices", "both")
UPDATES = (RECIPE.images or 0) // RECIPE.batch_size
TRAINING = f"{UPDATES} updates of {RECIPE.batch_size} CIFAR-10 images at {IMAGE_SIZE}x{IMAGE_SIZE}"
# Property -> what its values are.
MEANING = {
    "accuracy": f"accuracy in percent on clean validation images after {TRAINING}",
    "robustness": f"accuracy in percent on validation images with Gaussian noise ({NOISE:g} of the range) "
    f"after {TRAINING}",
    "convergence": f"number of updates until {CONVERGED:.0f}% of training images are classified correctly "
    f"(less is better), in a training of {TRAINING}",
    "latency": f"milliseconds for 64 images of {IMAGE_SIZE}x{IMAGE_SIZE} on one CPU thread, less is faster",
}


def read_values(folder: Path) -> tuple[list[int], dict[str, Floats]]:
    """Numbers of the networks, and their values by property; latency where all were timed."""
    trained, timed = read_lines(folder / TRAINED), read_lines(folder / TIMED)
    indices = sorted(trained)
    values = {
        "accuracy": [trained[index]["clean"] for index in indices],
        "robustness": [trained[index]["corrupted"] for index in indices],
        "convergence": [updates_until(trained[index]["curve"], CONVERGED) for index in indices],
    }
    if set(indices) <= set(timed):
        values["latency"] = [timed[index]["milliseconds"] for index in indices]
    return indices, {name: np.array(column, dtype=np.float64) for name, column in values.items()}


def feature_rows(documents: Sequence[Mapping[str, Any]], model: str) -> Floats:
    """Structure, counts and embedding of every network."""
    ghn = load_model(model)
    embedded = [ghn.embed([read_document(document)])[0] for document in documents]
    structure = [features_of(document, "network") for document in documents]
    return np.hstack([np.array(structure), np.array(embedded, dtype=np.float64)])


def export(name: str, rows: Floats, values: Floats, measured: Sequence[Row], folder: Path) -> CrossValidation:
    """Learn from the structure of all networks and write the model folder `deepnets-<name>`.

    Embeddings gain nothing, and a predictor with them would be bound to one GHN.
    """
    seen = Observations("network", ("darts",), rows[:, : COLUMNS.counts], values)
    predictor = FittedPredictor(f"deepnets-{name}", name, seen)
    score = predictor.cross_validate()
    save_predictor(folder / predictor.name, predictor, score, more=card(name, len(values), measured))
    return score


def card(name: str, networks: int, measured: Sequence[Row]) -> dict[str, Any]:
    """What the card says besides cross-validation."""
    taus = {row.method: [round(row.tau, 3), round(row.spread, 3)] for row in measured}
    best = max((row for row in measured if row.method in CANDIDATES["structure"]), key=lambda row: row.tau)
    return {
        "dataset": "cifar10",
        "description": f"Predicts {name} of small image classifiers: {MEANING[name]}.",
        "training": {
            "data": f"{networks} DeepNets networks, trained by python -m benchmarks.properties",
            "command": "python -m benchmarks.rank_properties --export FOLDER",
            "values": MEANING[name],
        },
        "scores": {
            "kendall_tau_half_of_the_networks": taus,
            "note": (
                f"Values are the {MEANING[name]}. Kendall's tau on unseen networks is {best.tau:.2f} after "
                f"fitting on {best.cells} others, all of the DeepNets space. Other spaces and longer "
                "training were not measured."
            ),
        },
    }


def predicted_accuracies(indices: Sequence[int], model: str, images: int) -> Floats:
    """Accuracy of every network with predicted weights, without training, on validation images of 32x32."""
    begin_thread()
    settings = get_settings()
    data = load_dataset("cifar10", data_dir=settings.data_dir, cache_dir=settings.home / "cache")
    ghn = load_checkpoint(find_card(model).path)
    accuracies = []
    for index in indices:
        graph = graph_of(index)
        params = predicted_parameters(ghn, graph)
        accuracies.append(
            network_accuracy(graph, params, data, data.validation, limit=images, dtype=native_format())
        )  # fmt: skip
    return np.array(accuracies)


def untrained_scores(indices: Sequence[int]) -> Floats:
    """What ranks by accuracy without any observation."""
    ranker = find_ranker(None, "accuracy")
    rows = [ranker.features(document_of(index)) for index in indices]
    return np.array([entry["score"] for entry in ranker.scores(rows)])


def tell_taus(what: str, scores: Floats, values: Mapping[str, Floats]) -> None:
    taus = ", ".join(f"{name} {rank_correlation(scores, column):.3f}" for name, column in values.items())
    print(f"Tau of {what} with: {taus}")


def correlations(values: Mapping[str, Floats]) -> None:
    """Tau between the properties (the paper's figure 11)."""
    print("| | " + " | ".join(values) + " |\n| --- |" + " --- |" * len(values))
    for name, column in values.items():
        cells = (f"{rank_correlation(column, other):.2f}" for other in values.values())
        print(f"| {name} | " + " | ".join(cells) + " |")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/properties"))
    parser.add_argument("--model", default="ghn2-cifar10")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument(
        "--predicted-weights", type=int, metavar="IMAGES",
        help="also rank by the accuracy with predicted weights on so many validation images",
    )  # fmt: skip
    parser.add_argument("--json", type=Path)
    parser.add_argument("--export", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    indices, values = read_values(options.folder)
    rows = feature_rows([document_of(index) for index in indices], options.model)
    trained = read_lines(options.folder / TRAINED)
    cost = np.array([trained[index]["cost"] for index in indices])
    half = len(indices) // 2
    for name, column in values.items():
        print(
            f"{name}: {MEANING[name]}: {column.mean():.1f} ± {column.std(ddof=1):.1f}, {column.min():.1f} to "
            f"{column.max():.1f}"
        )
    print(f"\nKendall's tau between the properties of {len(indices)} networks\n")
    correlations(values)
    tell_taus("the scores of `ranker`, which saw none of them", untrained_scores(indices), values)
    if options.predicted_weights:
        accuracies = predicted_accuracies(indices, options.model, options.predicted_weights)
        tell_taus(f"the accuracy with predicted weights, {accuracies.mean():.1f}%,", accuracies, values)
    print()
    results: list[Row] = []
    for name, column in values.items():
        # Less is better, and costs less: the sign says which way the cost alone would rank.
        measured = measure(
            Table(rows, column, cost, COLUMNS), METHODS, [half], options.draws,
            report=lambda line: print(line, file=sys.stderr),
        )  # fmt: skip
        results += [replace(row, method=f"{name}: {row.method}") for row in measured]
        if options.export and name != "latency":  # `network_latency` has networks of all sizes for it
            score = export(name, rows, column, measured, options.export)
            print(f"deepnets-{name}: tau {score.tau:.3f} in cross-validation", file=sys.stderr)
    title = (
        f"{len(indices)} DeepNets networks, embeddings of {options.model}: Kendall's tau on the other half, "
        f"mean ± deviation of {options.draws} draws"
    )
    show(title, results, {}, options.json, what="learned from")


if __name__ == "__main__":
    main()
