"""A training job: a subprocess that trains, supervised by a task.

The subprocess owns the accelerator, may start helpers of its own (a prefork child may not), and can be killed
without harm to the worker. It writes a run folder: measurements as JSON lines, and checkpoints, from which it
resumes. The task turns the measurements into events of the job, passes on cancellation, and gives way after a
segment, so that no message stays unacknowledged for long and other jobs get their turn. To a job that has had
no turn yet it gives way earlier: a search of seconds does not wait ten minutes for a training of days, and
whoever starts a long training soon sees whether it works.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path
from typing import cast

import structlog

from service.contract.kinds import KINDS, TrainingKind
from service.contract.options import Observation
from service.contract.problem import Problem
from service.contract.reading import dotted
from service.contract.training import TrainingPayload
from service.errors import InvalidRequest, ServiceError, TookTooLong, TrainingFailed, Unavailable
from service.kit.json_types import JsonObject
from service.kit.whole_file import write_whole
from service.models.publish import check_free, publish
from service.settings import Settings
from service.store.artifacts import ArtifactStore
from service.store.object_store import open_artifacts
from service.store.records import JobStatus
from service.training_progress import progress_text
from service.workers import stopping, trainer_process
from service.workers.job_process import PROBLEM, REFUSED, RESULT
from service.workers.run_once import JobCancelled, JobContext, JobYields

log = structlog.get_logger("weightcast.training")

_POLL_SECONDS = 0.5
# From SIGTERM to SIGKILL. Cancelling promises ten seconds in all; a checkpoint is worth waiting for a little
# longer.
CANCEL_GRACE_SECONDS = 7.0
YIELD_GRACE_SECONDS = 60.0
# A stretch that is worth the start of a trainer, and how often it is asked whether somebody waits.
LEAST_STRETCH_SECONDS = 60.0
_LOOK_SECONDS = 5.0
_LOG_LINES_IN_PROBLEM = 15


class Refused(ServiceError):
    """The trainer's own problem document, as it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem.get("detail", "the trainer refused the request")))
        self.status = int(problem.get("status", 422))
        self.code = str(problem.get("type", "")).rpartition("/")[2] or InvalidRequest.code
        self._problem = problem

    def problem(self) -> Problem:
        return self._problem


def run_training(context: JobContext) -> JsonObject:
    """Train, or search, for one segment, or to the end. Returns the result of the job; a model can be used at
    once.

    Errors: JobYields at the end of a segment, JobCancelled; InvalidRequest, Conflict and the trainer's own
    refusals; TrainingFailed.
    """
    payload, settings = cast(TrainingPayload, context.job.payload), context.settings
    row, name = kind_of(payload), payload["name"] or ""
    folder = settings.home / "runs" / context.job.id
    if not (folder / RESULT).exists():
        if row.publishes:
            check_free(name, settings.home / "models", replace=bool(payload.get("replace")))
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "job.json"
        if not config.exists():
            write_whole(config, json.dumps({"name": name, "config": _config(payload, settings)}))
        try:
            Segment(context, folder, _command(row, config, folder)).run()
        except JobCancelled:
            # Not where the job was given to another worker, which goes on from them.
            if not row.publishes and context.store.is_cancelled(context.job.id):
                _forget(folder)
            raise
    result = {"kind": row.name, **(trainer_process.read_json(folder / RESULT) or {})}
    if not row.publishes:
        _forget(folder)
        return result
    published = folder / "published"
    if not published.exists():
        publish(folder / "model", settings.home / "models" / name, replace=bool(payload.get("replace")))
        published.touch()
    return {"model": name, **result}


def kind_of(payload: TrainingPayload) -> TrainingKind:
    """Raises InvalidRequest for a kind that this worker does not know."""
    name = payload["kind"]
    if name not in KINDS:
        raise InvalidRequest(
            f"Nothing trains the kind {name!r}.", field="/kind", hint=f"Kinds: {', '.join(KINDS)}."
        )
    return KINDS[name]


def _command(row: TrainingKind, config: Path, folder: Path) -> list[str]:
    work = ["--run", row.run, "--options", dotted(row.options)]
    places = ["--config", str(config), "--run-dir", str(folder)]
    return [sys.executable, "-m", "service.workers.job_process", *work, *places]


def _forget(folder: Path) -> None:
    """Delete the tensors that a training would have gone on from; what came of it is an artifact."""
    for pattern in ("*.safetensors", "*.tmp"):
        for file in folder.glob(pattern):
            file.unlink()


def _config(payload: TrainingPayload, settings: Settings) -> JsonObject:
    """What the trainer is told, with what travelled apart from the job: observations, an architecture."""
    config, artifacts = {**payload["config"]}, open_artifacts(settings)
    if "observations" in payload:
        config["observations"] = read_observations(artifacts, payload["observations"])
    if (source := payload.get("source")) is not None:
        # The file says exactly what it computes; its graph does not always.
        data = artifacts.read_bytes(source)
        config["architecture"] = {"format": "onnx", "data": base64.b64encode(data).decode()}
    elif (graph := payload.get("graph")) is not None:
        config["architecture"] = json.loads(artifacts.read_bytes(graph))
    elif (torchvision := payload.get("torchvision")) is not None:
        config["architecture"] = {"format": "torchvision", **torchvision}
    return config


def read_observations(artifacts: ArtifactStore, name: str) -> list[Observation]:
    """A job's observations. Raises NotFound when they have expired."""
    return [json.loads(line) for line in artifacts.read_bytes(name).split(b"\n")]


class Segment:
    """One stretch of training under one task."""

    def __init__(self, context: JobContext, folder: Path, command: list[str]) -> None:
        self.context = context
        self.folder = folder
        self.command = command
        self.metrics = trainer_process.MetricsTail(folder)
        self.started = self._looked = time.monotonic()
        self.deadline = self.started + context.settings.training_segment_seconds
        self._waited: set[str] = set()  # for their first turn, when it looked last

    def run(self) -> None:
        """Until the training is done. A trainer that is killed from outside is started again, a few times."""
        status = 0
        for _ in range(self.context.settings.job_attempts):
            status = self._supervise()
            if (self.folder / RESULT).exists():
                return
            if status == REFUSED and (problem := trainer_process.read_json(self.folder / PROBLEM)):
                raise Refused(cast(Problem, problem))
            if status > 0:
                break
            log.warning("training.killed", signal=-status, job_id=self.context.job.id)
        raise TrainingFailed(
            f"the trainer ended with status {status}",
            log=trainer_process.last_lines(self.folder / "trainer.log", _LOG_LINES_IN_PROBLEM),
        )

    def _supervise(self) -> int:
        """The exit status, negative when a signal ended the trainer. Errors: JobYields, JobCancelled."""
        with (self.folder / "trainer.log").open("ab") as output:
            trainer = trainer_process.start(self.command, output)
        try:
            while trainer.poll() is None:
                self._tell()
                if self.context.should_stop():
                    trainer_process.stop(trainer, CANCEL_GRACE_SECONDS)
                    raise JobCancelled
                if stopping.announced() or time.monotonic() > self.deadline or self._gives_way():
                    trainer_process.stop(trainer, self._yield_grace())
                    break
                time.sleep(_POLL_SECONDS)
            else:
                return trainer.wait()
        finally:
            trainer_process.stop(trainer, 0)
            self._tell()
        if (self.folder / RESULT).exists():  # it came to its end in the meantime
            return 0
        raise JobYields

    def _gives_way(self) -> bool:
        """Whether a job waits that has had no turn yet, and that no other worker takes."""
        now = time.monotonic()
        if now < self.started + LEAST_STRETCH_SECONDS or now < self._looked + _LOOK_SECONDS:
            return False
        self._looked, waited = now, self._waited
        try:
            self._waited = {
                job.id
                for job in self.context.store.live()
                if job.queue == self.context.job.queue and job.status is JobStatus.QUEUED
            }
        except Unavailable:
            return False
        return bool(self._waited & waited)

    def _yield_grace(self) -> float:
        if not stopping.announced():
            return YIELD_GRACE_SECONDS
        return min(YIELD_GRACE_SECONDS, self.context.settings.shutdown_seconds * 0.7)

    def _tell(self) -> None:
        for values in self.metrics.new():
            if "stage" not in values:  # which measures nothing
                self.context.metric(values)
            share = values.get("progress")
            if isinstance(share, int | float):
                self.context.tell(round(100 * share, 1), 100, progress_text(values))
            if values.get("seconds", 0) > 60 * self.context.settings.training_max_minutes:
                raise TookTooLong(
                    "the training used all the time that one job may have",
                    limit=self.context.settings.training_max_minutes,
                    hint="give a budget in minutes",
                )
