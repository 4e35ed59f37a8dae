"""Training one network on somebody's images from the weights that a GHN predicts for it, or from random ones,
whichever is better (GHN-2 paper, section 5.3: predicted weights as an initialisation).

A run keeps what it did in a folder and goes on from there: parameters and the state of the optimizer after
every epoch, what was measured in `history.json`, the result in `weights.safetensors`. An interrupted run
repeats an uninterrupted one.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from service.errors import TrainingDiverged
from service.executor.networks import Network
from service.executor.onnx_check import check_onnx
from service.executor.running_statistics import running_statistics
from service.ghn.registry import load_model
from service.graph_io.archgraph import ArchGraph
from training.data.dataset import Dataset
from training.data.digest import data_digest
from training.data.inventory import inventory
from training.data.load import configured_dataset
from training.data.network_images import check_fits, image_channels, image_sides
from training.finetune.config import FineTuning
from training.finetune.history import quality
from training.finetune.start_choice import PREDICTED, RANDOM, better_start, diverged_start, verdict
from training.finetune.starting_weights import StartingWeights, predicted_weights, random_weights
from training.finetune.work import Progress, Work, save
from training.loop.interruption import Interrupted
from training.loop.run_folder import RunFolder

WEIGHTS = "weights.safetensors"
# Of the epochs, how much of the first each start gets before the worse one is given up; one epoch at least.
_RACE_SHARE = 0.1

Starts = dict[str, StartingWeights]


def run(
    graph: ArchGraph, config: FineTuning, folder: Path, *,
    cache_dir: Path | None = None, on_progress: Progress = lambda record: None,
    source: tuple[bytes, Path | None] | None = None,
) -> dict[str, Any] | None:  # fmt: skip
    """Train, and leave the weights in `folder/weights.safetensors`; None when a signal came first.

    They are those of the epoch that did best on validation images, epoch 0 being the start itself. The file
    has every parameter of the network at its own name and shape, float32, and for batch norms their running
    statistics (`running_statistics`), of training images. on_progress: gets every record of
    `metrics.jsonl`. source: the ONNX file that the graph was read from, and the folder of its external data;
    the network is compared with it.

    Raises InvalidRequest for images that the network does not take, UnsupportedOperator for a network that
    cannot be run, UnknownModel, InvalidInput for images that cannot be read, TrainingDiverged for a loss
    beyond all bounds and for parameters that are not finite, from every start.
    """

    def tell_stage(stage: str) -> None:
        record = {"kind": "stage", "stage": stage, "progress": 0.0}
        if folder.is_dir():
            RunFolder(folder).log(record)
        on_progress(record)

    tell_stage("reading the images")
    dataset = configured_dataset(
        config, cache_dir,
        image_size=config.image_size or image_sides(graph), channels=image_channels(graph),
        on_read=lambda done, total: tell_stage(f"reading the images, {done:,} of {total:,}"),
    )  # fmt: skip
    config = replace(config, batch_size=min(config.batch_size, config.images_of(dataset)))
    network = Network(graph)
    if source is not None:
        check_onnx(network, *source)
    tell_stage("predicting the weights")
    starts = _starts(graph, config, dataset)
    check_fits(network, next(iter(starts.values())).params, dataset)
    folder.mkdir(parents=True, exist_ok=True)
    _forget_other_data(folder, data_digest(dataset))
    record = {"kind": "data", **inventory(dataset)}
    RunFolder(folder).log(record)
    on_progress(record)
    work = Work(
        network, config, dataset, RunFolder(folder), on_progress, planned_epochs=_planned_epochs(config)
    )
    with work.interruption.by_signals():
        try:
            return _result(work, starts)
        except Interrupted:
            work.history.keep()
            return None


def race_epochs(epochs: int) -> int:
    """How long two starts are trained before one of them is given up."""
    return min(epochs, max(1, ceil(_RACE_SHARE * epochs)))


def _planned_epochs(config: FineTuning) -> int:
    if config.compare:
        return 2 * config.epochs
    return config.epochs + (race_epochs(config.epochs) if config.start == "auto" else 0)


def _starts(graph: ArchGraph, config: FineTuning, dataset: Dataset) -> Starts:
    """By name, those that take part."""
    starts: Starts = {}
    if config.compare or config.start != RANDOM:
        model = load_model(config.model)
        starts[PREDICTED] = predicted_weights(model, graph, dataset, noise=config.noise, seed=config.seed)
    if config.compare or config.start != PREDICTED:
        starts[RANDOM] = random_weights(graph, seed=config.seed)
    return starts


def _result(work: Work, starts: Starts) -> dict[str, Any]:
    config, dataset = work.config, work.dataset
    if config.head == "solve":
        starts = {kind: work.with_solved_head(start) for kind, start in starts.items()}
    race = config.epochs if config.compare else race_epochs(config.epochs)
    kind, reason = _winner(work, starts, race) if len(starts) > 1 else (next(iter(starts)), None)
    work.train(kind, starts[kind], config.epochs)
    params = work.best(kind)
    accuracy, running = work.tested(kind, params)
    result: dict[str, Any] = {
        "parameters": sum(value.numel() for value in params.values()),
        "history": work.history.of(kind),
        "kept_epoch": work.history.best(kind)["epoch"],
        "test_accuracy": accuracy,
        "test_images": len(dataset.test),
        "start": starts[kind].origin,
        "verdict": reason,
        "learning_rate": work.rate(starts[kind]),
        "data": dataset.name,
        "classes": list(dataset.classes),
        "images": config.images_of(dataset),
        "image_size": dataset.image_size,
        "inventory": inventory(dataset),
    }
    if config.compare:
        for other in starts:
            if work.history.of(other) and work.history.of(other)[-1]["epoch"] == config.epochs:
                tested = accuracy if other == kind else work.tested(other, work.best(other))[0]
                result[other] = {"history": work.history.of(other), "test_accuracy": tested}
    else:
        for other in starts:
            if other != kind and work.history.of(other):
                result["rival"] = {"start": other, "history": work.history.of(other)}
    buffers = running_statistics(work.network, running)
    save(work.folder.path / WEIGHTS, {**params, **buffers.buffers})
    work.history.keep()
    seconds = round(work.history.seconds, 1)
    return {**result, "unnamed_statistics": list(buffers.unnamed), "seconds": seconds}


def _winner(work: Work, starts: Starts, until: int) -> tuple[str, dict[str, Any]]:
    """The start that did best in its first epochs, and the verdict. Each is trained as it would be alone, so
    that the better one goes on from there and nothing of it is lost.
    """
    best, errors = {}, {}
    for kind, start in starts.items():
        try:
            work.train(kind, start, until)
        except TrainingDiverged as error:
            errors[kind] = error
        else:
            records = [record for record in work.history.of(kind) if record["epoch"] <= until]
            best[kind] = max(records, key=quality)
    if not best:
        raise next(iter(errors.values()))
    if errors:
        (kind,) = best
        return kind, diverged_start(kind, best[kind], errors)
    return better_start(best), verdict(best, after=until)


def _forget_other_data(folder: Path, digest: str) -> None:
    """A run that was begun on other images under the same name begins again."""
    known = folder / "data.sha256"
    if known.exists() and known.read_text() != digest:
        for file in (*folder.glob("*.safetensors"), folder / "history.json"):
            file.unlink(missing_ok=True)
    known.write_text(digest)
