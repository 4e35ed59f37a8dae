"""HyperNAS where the cells of a network differ: does it help that a cell knows what stands before it?

    python -m benchmarks.rank_hypernas_darts [--file runs/darts_truth.jsonl] [--learned 21] [--draws 5]

Networks with a normal and a reduction cell of their own, trained by `benchmarks.darts_truth`. Kendall's tau
on those that are not learned from; all rows have the same draws, and the difference is taken draw by draw.
Beside the three encodings stand what `weightcast predictor fit` does with the same results, and
multiply-adds.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.darts_truth import FILE, read_results
from benchmarks.rank_cells import Floats, Rows
from service.contract.hypernas import steps_for
from service.predictors.features.architectures import feature_names, features_of
from service.predictors.hypernas.batch import CellBatch, make_batch
from service.predictors.hypernas.cell_graph import read_cell
from service.predictors.hypernas.config import HyperNASConfig
from service.predictors.rankers.fitted import FittedPredictor, Observations
from service.predictors.regressors.scores import rank_correlation
from training.hypernas.cells import observed
from training.hypernas.config import HyperNASRun
from training.hypernas.trainer import HyperNASTrainer, scores

ENCODINGS = {
    "global encoding (HyperNAS-P)": "propagated",
    "isolated cells (NP)": "isolated",
    "a learned vector for each place": "positional",
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--learned", type=int, default=21)
    parser.add_argument("--draws", type=int, default=5)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    results = read_results(options.file)
    documents = [result["architecture"] for result in results]
    values = np.array([result["value"] for result in results])
    cells = make_batch([read_cell(document, "darts", prune=True) for document in documents], "darts")
    features = np.array([features_of(document, "network") for document in documents])
    cost = features[:, feature_names("network").index("log_multiply_adds")]
    draws = [
        np.split(np.random.default_rng(draw).permutation(len(values)), [options.learned])
        for draw in range(options.draws)
    ]
    taus: dict[str, list[float]] = {}
    for draw, (learned, test) in enumerate(draws):
        predicted = {
            name: _learned(cells, values, learned, encoding, draw)[test]
            for name, encoding in ENCODINGS.items()
        }
        predicted["structural features (`predictor fit`)"] = _fitted(features, values, learned, test)
        predicted["multiply-adds alone"] = cost[test]
        for name, score in predicted.items():
            taus.setdefault(name, []).append(rank_correlation(score, values[test]))
    print(
        f"{len(values)} networks of {results[0]['updates']} updates, accuracy {values.mean():.1f} ± "
        f"{values.std(ddof=1):.1f}%; {options.learned} learned from, Kendall's tau on the other "
        f"{len(values) - options.learned}, mean ± deviation of {options.draws} draws\n\n"
        "| predictor | tau | against isolated cells |\n| --- | --- | --- |"
    )
    isolated = np.array(taus["isolated cells (NP)"])
    for name, measured in taus.items():
        against = "" if name == "isolated cells (NP)" else _spread(np.array(measured) - isolated, "+.3f")
        print(f"| {name} | {_spread(np.array(measured), '.3f')} | {against} |")


def _spread(values: Floats, form: str) -> str:
    return f"{format(values.mean(), form)} ± {values.std(ddof=1):.3f}"


def _learned(cells: CellBatch, values: Floats, learned: Rows, encoding: str, seed: int) -> Floats:
    """Scores of all networks."""
    config = HyperNASRun(
        steps=steps_for(len(learned)),
        seed=seed,
        model=HyperNASConfig(space="darts", tasks="accuracy", encoding=encoding),  # type: ignore[arg-type]
    )
    trainer = HyperNASTrainer(config, observed(cells[torch.from_numpy(learned)], values[learned]))
    trainer.run_until_done()
    return scores(trainer.hypernas, cells)


def _fitted(features: Floats, values: Floats, learned: Rows, test: Rows) -> Floats:
    predictor = FittedPredictor(
        "darts", "accuracy", Observations("network", ("darts",), features[learned], values[learned])
    )
    predictor.cross_validate()
    return predictor.regressor.predict(features[test]).score_M


if __name__ == "__main__":
    main()
