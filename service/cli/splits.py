"""weightcast architectures, evaluate: unseen networks, and how good predicted weights make them."""

from __future__ import annotations

import json as json_module
import sys
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli import options
from service.cli.console import emit_json, progress_bar, say

if TYPE_CHECKING:
    from service.graph_io.archgraph import ArchGraph
    from training.data import Dataset

SplitName = Annotated[str, typer.Option(help="train, id-val, id-test, wide, deep, dense or bn-free.")]


class BatchNorm(StrEnum):
    BATCH = "batch"
    RECALIBRATE = "recalibrate"


def architectures(
    split: SplitName,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")] = 10,
    seed: Annotated[int, typer.Option(help="Same split, seed and number: same networks, anywhere.")] = 0,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE.jsonl", help="[default: standard output]")
    ] = None,
) -> None:
    """Make random networks of the DeepNets-1M space.

    One JSON document a line, each an architecture that `predict` reads.
    """
    from training.deepnets import architecture

    with nullcontext(sys.stdout) if out is None else open(out, "w", encoding="utf-8") as file:
        for index in range(count):
            document = {"name": f"{split}-{seed}-{index}", **architecture(split, seed, index)}
            file.write(json_module.dumps(document, separators=(",", ":")) + "\n")


def evaluate(
    split: SplitName,
    model: options.Model = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many networks.")] = 50,
    data: Annotated[
        str | None, typer.Option(help="Data set. [default: what the model was trained on]")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where CIFAR-10 lies, or goes. [default: WEIGHTCAST_DATA_DIR]")
    ] = None,
    bn: Annotated[
        BatchNorm, typer.Option(help="Statistics of each test batch, or recalibrated on training images.")
    ] = BatchNorm.BATCH,
    images: Annotated[int, typer.Option(min=0, help="So many test images at most; 0 means all.")] = 1000,
    json: options.Json = False,
) -> None:
    """Measure a GHN: accuracy of unseen networks with predicted weights.

    Test images, no training of the networks. Beside it, the same networks with the standard random
    initialisation.
    """
    from service.errors import InvalidRequest
    from service.ghn.registry import load_model
    from service.settings import get_settings
    from training.data import load_dataset
    from training.deepnets import architecture_graph
    from training.evaluate import Scores, evaluate_networks, network_accuracy

    settings = get_settings()
    loaded = load_model(model or settings.default_model)
    chosen = data or loaded.card.dataset
    if chosen is None:
        raise InvalidRequest(
            f"The model {loaded.card.name!r} does not say what it was trained on.",
            field="data",
            hint="Give --data.",
        )
    dataset = load_dataset(chosen, data_dir=data_dir or settings.data_dir, cache_dir=settings.home / "cache")
    if len(dataset.classes) != loaded.ghn.config.num_classes:
        raise InvalidRequest(
            f"The model {loaded.card.name!r} knows {loaded.ghn.config.num_classes} classes, "
            f"{chosen} has {len(dataset.classes)}.",
            field="data",
        )
    predicted: list[float] = []
    random: list[float] = []
    limit = images or None
    recalibrate = bn is BatchNorm.RECALIBRATE
    with progress_bar(split) as progress:
        for index in range(count):
            progress(index, count, f"network {index + 1} of {count}")
            graph = architecture_graph(split, 0, index, num_classes=len(dataset.classes))
            scores = evaluate_networks(
                loaded.ghn, [graph], dataset, dataset.test, limit=limit, recalibrate=recalibrate
            )
            predicted += scores.accuracies
            random.append(
                network_accuracy(
                    graph,
                    _random_parameters(graph),
                    dataset,
                    dataset.test,
                    limit=limit,
                    recalibrate=recalibrate,
                )
            )
            if not json:
                say(f"{split}-{index}: {predicted[-1]:.1f}% correct, {random[-1]:.1f}% at random")
    scores = Scores(tuple(predicted))
    report = {
        "model": loaded.card.name,
        "split": split,
        "n": count,
        "mean": round(scores.mean, 3),
        "stderr": round(scores.standard_error, 3),
        "max": round(scores.max, 3),
        "random_init_mean": round(sum(random) / count, 3),
        "data": chosen,
        "images": _test_images(dataset, limit),
        "bn": bn.value,
    }
    if json:
        emit_json(report)
    else:
        say(
            f"{report['model']} on {count} networks of {split}, {report['images']} images of {chosen}: "
            f"{scores.mean:.2f} ± {scores.standard_error:.2f}% (best {scores.max:.2f}%), "
            f"random initialisation {report['random_init_mean']:.2f}%"
        )


def _random_parameters(graph: ArchGraph) -> dict[str, Any]:
    """The field's standard initialisation of every parameter."""
    import torch

    from service.ghn.defaults import default_block
    from service.graph_io.primitives import to_primitives

    targets = to_primitives(graph).targets
    return {target.parameter.name: torch.from_numpy(default_block(target).expand()) for target in targets}


def _test_images(dataset: Dataset, limit: int | None) -> int:
    return len(dataset.test) if limit is None else min(limit, len(dataset.test))
