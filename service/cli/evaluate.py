"""weightcast evaluate: how good a GHN's weights make networks that nobody has trained."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli import options
from service.cli.console import emit_json, progress_bar, say
from service.cli.failures import INTERRUPTED
from service.cli.inventory_lines import inventory_lines
from service.cli.splits import SplitName
from service.contract.options import DATA
from service.kit.cores import usable_cores
from service.kit.json_types import JsonObject

if TYPE_CHECKING:
    from service.ghn.config import GHNConfig
    from service.models.catalog import ModelCard
    from training.data.dataset import Dataset
    from training.evaluate.run import Report

# So few networks are measured sooner than a second process starts.
_NETWORKS_A_PROCESS = 8


class BatchNorm(StrEnum):
    BATCH = "batch"
    RECALIBRATE = "recalibrate"


class Dtype(StrEnum):
    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def evaluate(
    split: SplitName,
    model: options.Model = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Number of networks.")] = 50,
    data: Annotated[
        str | None,
        typer.Option(
            help=f"{DATA}. [default: the data of the model's training]", autocompletion=options.data_names
        ),
    ] = None,
    data_dir: options.DataDir = None,
    bn: Annotated[
        BatchNorm, typer.Option(help="Batch-norm statistics: of each test batch, or of training images.")
    ] = BatchNorm.BATCH,
    images: Annotated[
        int,
        typer.Option("--images", "--limit-images", min=0, help="Number of test images; 0 means all."),
    ] = 1000,
    dtype: Annotated[
        Dtype, typer.Option(help="Number format of the activations. auto: bfloat16 if the processor has it.")
    ] = Dtype.AUTO,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Number of networks to run at once. [default: one per core]")
    ] = None,
    skip_bad: options.SkipBad = False,
    json: options.Json = False,
) -> None:
    """Measure a GHN: accuracy of unseen networks with predicted weights.

    The networks run on test images and are not trained. For comparison, the same networks run with standard
    random weights. Results are saved: after an interruption, the same command continues.
    """
    from service.ghn.registry import load_model
    from service.settings import get_settings
    from training.data.deepnets import available
    from training.data.digest import data_digest
    from training.data.image_folder.names import data_source
    from training.data.inventory import inventory
    from training.data.load import load_dataset
    from training.evaluate.accuracy import CALIBRATION_BATCHES
    from training.evaluate.measurements import RANDOM, Evaluation
    from training.evaluate.run import Job, Sources, measure
    from training.loop.number_format import native_format_name

    settings = get_settings()
    loaded = load_model(model or settings.default_model)
    card = loaded.card
    chosen = _trained_on(card) if data is None else data_source(data, Path())
    count = available(split, count)
    helpers = processes or max(1, min(usable_cores(), 2 * count // _NETWORKS_A_PROCESS))
    sources = Sources(data_dir or settings.data_dir, settings.home / "cache", skip_bad)
    dataset = load_dataset(
        chosen, data_dir=sources.data_dir, cache_dir=sources.cache_dir, skip_bad=skip_bad,
        copies=helpers if helpers == 1 else 1 + helpers,
    )  # fmt: skip
    _check_classes(card, loaded.ghn.config, dataset)
    if dataset.report is not None and not json:
        for line in inventory_lines(inventory(dataset)):
            say(line)
    common: JsonObject = {
        "split": split,
        "data": chosen,
        "images": images,
        "bn": bn.value,
        "calibration_batches": CALIBRATION_BATCHES if bn is BatchNorm.RECALIBRATE else 0,
        "dtype": native_format_name() if dtype is Dtype.AUTO else dtype.value,
        "data_digest": "" if dataset.report is None else data_digest(dataset),
    }
    predicted = Evaluation(method=card.name, digest=card.digest, **common)
    random = Evaluation(method=RANDOM, **common)
    jobs = [Job(predicted, count, card.path), Job(random, count)]
    with progress_bar(split) as progress:

        def show(report: Report) -> None:
            left = f"{report.eta_seconds / 60:.1f} min left"
            progress(report.done, report.total, left)
            if not json:
                what, measurement = report.evaluation.method, report.measurement
                say(f"{measurement.name}: {measurement.accuracy:.1f}% correct, {what} ({left})")

        try:
            results = measure(jobs, settings.home / "evaluations", sources, processes=helpers, on_result=show)
        except KeyboardInterrupt:
            typer.echo("Interrupted. Run the same command again to continue.", err=True)
            raise typer.Exit(INTERRUPTED) from None
    scores = results.scores(predicted)
    report = {
        "model": card.name,
        "split": split,
        "n": count,
        "mean": round(scores.mean, 3),
        "stderr": None if scores.standard_error is None else round(scores.standard_error, 3),
        "max": round(scores.max, 3),
        "random_init_mean": round(results.scores(random).mean, 3),
        "data": dataset.name,
        "images": min(images, len(dataset.test)) or len(dataset.test),
        "bn": bn.value,
        "dtype": common["dtype"],
    }
    if json:
        emit_json(report)
    else:
        say(
            f"{report['model']} on {count} {'network' if count == 1 else 'networks'} of {split}, "
            f"{report['images']} images of {dataset.name}: {scores:.2f}% (best {scores.max:.2f}%), "
            f"random initialisation {report['random_init_mean']:.2f}% ({report['dtype']})"
        )


def _trained_on(card: ModelCard) -> str:
    """What `load_dataset` reads: a data set that comes with Weightcast, or where the model's folder lies."""
    from service.errors import InvalidRequest
    from training.data.image_folder.names import BUILT_IN

    if card.data_path is not None:
        if Path(card.data_path).exists():
            return card.data_path
        where, what = f"{card.data_path}, which is not there", "where it is now"
    elif card.dataset in BUILT_IN:
        return card.dataset
    elif card.dataset is not None:
        where, what = f"{card.dataset!r}, and does not know where that is", "its folder"
    else:
        where, what = "data that it does not name", "them"
    raise InvalidRequest(
        f"The model {card.name!r} was trained on {where}.", field="/data", hint=f"Give --data {what}."
    )


def _check_classes(card: ModelCard, config: GHNConfig, dataset: Dataset) -> None:
    from service.errors import InvalidRequest
    from training.evaluate.classes import other_classes

    if (detail := other_classes(card, config, dataset)) is not None:
        raise InvalidRequest(detail, field="/data")
