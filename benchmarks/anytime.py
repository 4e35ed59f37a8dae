"""Anytime prediction (GHN-1 paper, sections 3.2 and 5.2, figures 3 and 8 to 10): a GHN of networks with early
exits, a search by the area under the predicted curve of accuracy over multiply-adds, and what its best
networks do once they are trained, beside random ones and one made by hand.

    python -m benchmarks.anytime [--steps 300] [--networks 60] [--train 3] [--epochs 10] [--plot figure3.svg]

Digits at 16x16, blocks of 6, 4 and 2 nodes, 8 channels. What is in the folder is not done again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from service.executor.networks import Network
from service.ghn.checkpoint import load_checkpoint
from service.graph_io.read import read_document
from service.search.anytime import AnytimeSpace
from service.settings import get_settings
from training.data.dataset import Dataset
from training.data.load import load_dataset
from training.evaluate.accuracy import predicted_parameters
from training.evaluate.anytime import ExitScore, area, exit_scores, usual_budget
from training.ghn.recipe import Stage, TrainConfig
from training.ghn.trainer import train
from training.loop.network_training import train_network
from training.loop.progress import share_done
from training.loop.recipes import SgdRecipe

_SIZE, _CHANNELS, _NODES = 16, 8, 2
_SPACE = AnytimeSpace(nodes=_NODES, channels=_CHANNELS, image_size=_SIZE)
_ALL_NODES = 6 * _NODES
Document = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=300, help="of the GHN, four networks each")
    parser.add_argument("--networks", type=int, default=60, help="that are drawn and scored")
    parser.add_argument("--train", type=int, default=3, help="of the best, and as many at random")
    parser.add_argument("--epochs", type=int, default=10, help="of each network that is trained")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("runs/anytime"))
    parser.add_argument("--plot", type=Path, help="figure 3: the curves of the trained networks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = load_dataset("digits", image_size=_SIZE)
    folder = options.folder / f"{options.steps}-steps-seed-{options.seed}"
    ghn, seconds = _ghn(folder, options)
    random = Random(f"weightcast/benchmarks/anytime/{options.seed}")
    documents = [_SPACE.sample(random) for _ in range(options.networks)]
    started = time.monotonic()
    predicted = [_area(document, _generated(ghn, document, dataset)) for document in documents]
    each = (time.monotonic() - started) / len(documents)
    order = list(np.argsort(-np.array(predicted), kind="stable"))
    chosen = {
        **{f"best {rank + 1}": documents[place] for rank, place in enumerate(order[: options.train])},
        **{f"random {number + 1}": _SPACE.sample(random) for number in range(options.train)},
        "by hand": by_hand(),
    }
    trained = {name: _trained(folder, document, dataset, options.epochs) for name, document in chosen.items()}
    print(
        f"GHN: {options.steps} steps, {seconds:.0f} s; {len(documents)} networks scored, {each:.2f} s each; "
        f"trained for {options.epochs} epochs\n\n| network | area, generated | area, trained | exits: million"
        " multiply-adds, accuracy trained |\n| --- | --- | --- | --- |"
    )
    areas: dict[str, tuple[float, float]] = {}
    for name, document in chosen.items():
        generated, after = _area(document, _generated(ghn, document, dataset)), _area(document, trained[name])
        areas[name] = generated, after
        exits = ", ".join(f"{score.multiply_adds / 1e6:.2f}: {score.accuracy:.1f}" for score in trained[name])
        print(f"| {name} | {generated:.1f} | {after:.1f} | {exits} |")
    for group in ("best", "random"):
        values = [after for name, (_, after) in areas.items() if name.startswith(group)]
        print(f"{group}: area trained {np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}")
    tau = kendalltau(*zip(*areas.values(), strict=True)).statistic
    print(f"Kendall's tau of both areas over these {len(areas)}: {tau:.2f}")
    print(f"the best network, figures 8 to 10: {json.dumps(chosen['best 1'])}")
    if options.plot is not None:
        from service.plots import anytime_chart

        shown = ("best 1", "random 1", "by hand")
        curves = {
            name: [(float(score.multiply_adds), score.accuracy) for score in trained[name]] for name in shown
        }
        anytime_chart(curves, budget=_budget(chosen["best 1"])).save(options.plot)


def by_hand() -> Document:
    """A small network in the manner of MSDNet (Huang et al. 2018): 3x3 convolutions alone, each reading the
    state before it on its scale and the one that is twice as fine, with exits on the coarsest."""
    blocks = []
    for number, size in enumerate((3 * _NODES, 2 * _NODES, _NODES)):
        scales = range(number, 3)
        nodes: list[Document] = []
        for index in range(size):
            scale = scales[index % len(scales)]
            near = (scale, scale - 1)
            before = [state for state, node in enumerate(nodes, start=1) if node["scale"] in near]
            nodes.append({"operation": "conv_3x3", "scale": scale, "inputs": sorted(before[-2:]) or [0]})
        for node in [node for node in nodes if node["scale"] == 2][-2:]:
            node["exit"] = True
        blocks.append(nodes)
    return {"format": "anytime", "blocks": blocks, "channels": _CHANNELS, "image_size": _SIZE}


def _ghn(folder: Path, options: argparse.Namespace) -> tuple[Any, float]:
    config = TrainConfig(
        name="anytime", data="digits", steps=options.steps, seed=options.seed, space="anytime",
        network={"nodes": _NODES, "channels": _CHANNELS},
        ghn={"anytime": True, "virtual_edge_cutoff": 1, "max_channels": 32, "max_kernel": 5},
        stages=(Stage(image_size=_SIZE, meta_batch=4, images=32),), warmup_steps=20, threads=1,
        validate_networks=0, validate_minutes=1e6,
    )  # fmt: skip
    clock = folder / "seconds.json"
    if share_done(folder, config) < 1 or not (folder / "model").exists():
        started = time.monotonic()
        train(config, folder, cache_dir=get_settings().home / "cache", resume=True, on_progress=_tell)
        clock.write_text(json.dumps(time.monotonic() - started))
    return load_checkpoint(folder / "model"), json.loads(clock.read_text())


def _generated(ghn: Any, document: Document, dataset: Dataset) -> list[ExitScore]:
    graph = read_document(document)
    params = predicted_parameters(ghn, graph)
    return exit_scores(Network(graph), params, dataset, dataset.validation, limit=512)


def _trained(folder: Path, document: Document, dataset: Dataset, epochs: int) -> list[ExitScore]:
    """Of the test images, by the statistics of their batches, after training all exits together."""
    path = folder / "trained.json"
    known: dict[str, list[list[float]]] = json.loads(path.read_text()) if path.exists() else {}
    key = json.dumps([epochs, document])
    if key not in known:
        graph = read_document(document)
        recipe = SgdRecipe(epochs=epochs, batch_size=32, learning_rate=0.1)
        params = train_network(Network(graph), dataset, recipe)
        scores = exit_scores(Network(graph), params, dataset, dataset.test)
        known[key] = [[score.multiply_adds, score.accuracy, score.loss] for score in scores]
        path.write_text(json.dumps(known))
        print(f"trained: {scores[-1].accuracy:.1f}%", file=sys.stderr)
    return [ExitScore(int(cost), accuracy, loss) for cost, accuracy, loss in known[key]]


def _budget(document: Document) -> float:
    return usual_budget(read_document(document), _ALL_NODES)


def _area(document: Document, scores: list[ExitScore]) -> float:
    costs = [float(score.multiply_adds) for score in scores]
    return area(costs, [score.accuracy for score in scores], _budget(document))


def _tell(record: dict[str, Any]) -> None:
    if record["kind"] == "train" and record["step"] % 100 == 0:
        print(f"step {record['step']}: loss {record['loss']:.3f}, {record['seconds']:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
