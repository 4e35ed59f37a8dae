"""A search for a job of the kind `search`. It has no model to publish.

What it finds out goes to `history.jsonl`; a search that was stopped is run again with it, which costs no
scoring, and so goes on where it was.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from service.contract.search import SearchOptions
from service.documents import read_document
from service.kit.json_types import JsonObject
from service.search.answer import answer
from service.search.evaluation import Evaluation
from service.search.run import Outcome, Report
from training.job import Result, TrainingJob

if TYPE_CHECKING:
    from training.evaluate.search_images import SearchImages

_EVENTS = 200


class Stopped(Exception):
    """SIGTERM came."""


def _stop(*_: Any) -> None:
    raise Stopped


def run(options: SearchOptions, job: TrainingJob) -> Result:
    """Search, going on from what the folder holds. None when SIGTERM came first.

    Raises ServiceErrors for what cannot be searched.
    """
    signal.signal(signal.SIGTERM, _stop)
    folder = job.folder
    trained = _Trained(folder / "trained.jsonl")
    with _History(folder / "history.jsonl") as history, (folder / "metrics.jsonl").open("a") as metrics:
        try:
            result = answer(
                options,
                read=lambda document: read_document(document, job.settings),
                report=_telling(metrics),
                known=history,
                seconds_before=history.seconds,
                images=_images(options, job),
                trained=trained,
            )
        except Stopped:
            return None  # what was found out is in the folder
        return result.as_json()


def _images(options: SearchOptions, job: TrainingJob) -> SearchImages | None:
    if options.data is None:
        return None
    # torch, which other searches do without
    from training.data.served import data_set
    from training.evaluate.search_images import SearchImages

    settings = job.settings
    return SearchImages.load(
        data_set(options.data, settings), settings.data_dir, settings,
        skip_bad=options.skip_bad,
        images=options.images,
        epochs=options.train_epochs,
        read=lambda document: read_document(document, settings, runnable=True),
    )  # fmt: skip


class _Trained(dict[str, float]):
    """Accuracies of networks that were trained, each written down as it comes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        for line in _whole_lines(path):
            super().__setitem__(line["key"], line["accuracy"])

    def __setitem__(self, key: str, accuracy: float) -> None:
        super().__setitem__(key, accuracy)
        with self._path.open("a") as file:
            file.write(json.dumps({"key": key, "accuracy": accuracy}) + "\n")


def _telling(file: IO[str]) -> Report:
    """Writes a measurement for the job's events after a batch, a few hundred in all."""
    last_share = -1.0

    def tell(outcome: Outcome) -> None:
        nonlocal last_share
        if outcome.best is None or (outcome.share - last_share < 1 / _EVENTS and not outcome.ended):
            return
        last_share = outcome.share
        values = {
            "step": len(outcome.items),
            "best": outcome.best.scores["score"],
            "refused": outcome.refused,
            "seconds": round(outcome.seconds, 2),
            "progress": outcome.share,
        }
        file.write(json.dumps(values) + "\n")
        file.flush()

    return tell


class _History(dict[str, Evaluation | None]):
    """What was found out, each entry written down as it comes. seconds: that took, in all."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.seconds = 0.0
        for line in _whole_lines(path):
            values = line["evaluation"]
            evaluation = None if values is None else Evaluation(values[0], values[1], tuple(values[2]))
            super().__setitem__(line["key"], evaluation)
            self.seconds = float(line["seconds"])
        self._file = path.open("a")
        self._started = time.monotonic() - self.seconds

    def __setitem__(self, key: str, evaluation: Evaluation | None) -> None:
        super().__setitem__(key, evaluation)
        values = None
        if evaluation is not None:
            values = [evaluation.scores, evaluation.costs, list(evaluation.fitness)]
        line = {"key": key, "evaluation": values, "seconds": round(time.monotonic() - self._started, 3)}
        self._file.write(json.dumps(line) + "\n")

    def __enter__(self) -> _History:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _whole_lines(path: Path) -> Iterator[JsonObject]:
    """The lines of an earlier stretch; what a killed one left half written is cut off."""
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        path.write_bytes(whole)
    for line in whole.splitlines():
        yield json.loads(line)
