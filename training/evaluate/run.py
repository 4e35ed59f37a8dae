"""Measuring many networks: several processes of one thread each, every result kept as soon as it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import torch

from service.executor.networks import Network
from service.ghn.checkpoint import load_checkpoint
from service.ghn.model import GHN
from service.graph_io.archgraph import ArchGraph
from training.data.dataset import Dataset
from training.data.deepnets import architecture_graph, architecture_name, available
from training.data.load import load_dataset
from training.evaluate.accuracy import CALIBRATION_BATCHES, network_accuracy, predicted_parameters
from training.evaluate.measurements import Evaluation, Measurement, Results, append, read
from training.loop.network_training import random_parameters, train_network
from training.loop.recipes import SgdRecipe
from training.loop.worker_processes import results_as_they_come


@dataclass(frozen=True, slots=True)
class Job:
    """An evaluation of the first `count` networks of its split. model: folder of the GHN, if it has one."""

    evaluation: Evaluation
    count: int
    model: Path | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the data set lies, where decoded images and unfinished trainings are kept. skip_bad: as
    `load.load_dataset` takes it.
    """

    data_dir: Path
    cache_dir: Path
    skip_bad: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """Progress: after every network."""

    evaluation: Evaluation
    measurement: Measurement
    done: int
    total: int
    eta_seconds: float


def measure(
    jobs: Sequence[Job], folder: Path, sources: Sources, *,
    processes: int = 1, seconds: float | None = None, provenance: Mapping[str, str] | None = None,
    on_result: Callable[[Report], None] | None = None,
) -> Results:  # fmt: skip
    """Measure what is not in `folder` yet.

    All jobs advance at the same pace, each in the order of its networks.
    processes: 1 measures in this process.
    seconds: no further network is started after so long; what is missing then is missing in the results.
    provenance: kept with every result.

    Raises InvalidRequest for an unknown split or data set.
    """
    results = Results()
    missing: list[tuple[float, Job, int]] = []
    for job in jobs:
        known = read(job.evaluation, folder)
        count = available(job.evaluation.split, job.count)
        results.by_evaluation[job.evaluation] = {
            index: measurements for index, measurements in known.items() if index < count
        }
        missing += [(index / count, job, index) for index in range(count) if index not in known]
    missing.sort(key=lambda entry: entry[0])
    started = time.monotonic()

    def keep(job: Job, measurement: Measurement, done: int) -> None:
        append(job.evaluation, measurement, folder, provenance or {})
        results.by_evaluation[job.evaluation][measurement.index] = measurement
        if on_result is not None:
            left = (len(missing) - done) * (time.monotonic() - started) / done
            if seconds is not None:
                left = min(left, max(0.0, seconds - (time.monotonic() - started)))
            on_result(Report(job.evaluation, measurement, done, len(missing), left))

    def in_time() -> bool:
        return seconds is None or time.monotonic() - started < seconds

    if processes == 1:
        for number, (_, job, index) in enumerate(missing):
            if not in_time():
                break
            keep(job, measure_network(job.evaluation, index, job.model, sources), number + 1)
        return results
    work = partial(_measure_item, sources)
    items = ((job, index) for _, job, index in missing)
    measurements = results_as_they_come(work, items, processes=processes, in_time=in_time)
    for number, ((job, _), measurement) in enumerate(measurements):
        keep(job, measurement, number + 1)
    return results


def _measure_item(sources: Sources, item: tuple[Job, int]) -> Measurement:
    job, index = item
    return measure_network(job.evaluation, index, job.model, sources)


def measure_network(evaluation: Evaluation, index: int, model: Path | None, sources: Sources) -> Measurement:
    """One network of the evaluation's split."""
    started = time.monotonic()
    dataset = _dataset(evaluation.data, sources, evaluation.image_size)
    graph = architecture_graph(evaluation.split, evaluation.seed, index, num_classes=len(dataset.classes))
    graph = replace(graph, unattached=())
    accuracy = network_accuracy(
        graph, _parameters(evaluation, index, graph, dataset, model, sources), dataset, dataset.test,
        limit=evaluation.images or None,
        recalibrate=evaluation.bn == "recalibrate",
        calibration_batches=evaluation.calibration_batches or CALIBRATION_BATCHES,
        dtype=getattr(torch, evaluation.dtype),
    )  # fmt: skip
    name = architecture_name(evaluation.split, evaluation.seed, index)
    seconds = time.monotonic() - started
    return Measurement(index, name, round(accuracy, 4), graph.num_parameters, round(seconds, 2))


def _parameters(
    evaluation: Evaluation, index: int, graph: ArchGraph, dataset: Dataset, model: Path | None,
    sources: Sources,
) -> dict[str, torch.Tensor]:  # fmt: skip
    if model is not None:
        return predicted_parameters(_ghn(model, evaluation.digest), graph)
    if evaluation.epochs == 0:
        return random_parameters(graph)
    state = evaluation.file(sources.cache_dir / "sgd").with_suffix(f".{index}.safetensors")
    recipe = SgdRecipe(epochs=evaluation.epochs)
    return train_network(
        Network(graph), dataset, recipe, dtype=getattr(torch, evaluation.dtype), state_file=state
    )


@lru_cache(maxsize=2)
def _dataset(name: str, sources: Sources, image_size: int) -> Dataset:
    dataset = load_dataset(
        name, data_dir=sources.data_dir, cache_dir=sources.cache_dir, skip_bad=sources.skip_bad
    )
    return dataset.resized(image_size)


@lru_cache(maxsize=4)
def _ghn(folder: Path, digest: str) -> GHN:
    return load_checkpoint(folder)
