"""A training job: a subprocess that trains, supervised by a task.

The subprocess owns the accelerator, may start helpers of its own (a prefork child may not), and can be
killed without harm to the worker. It writes a run folder: measurements as JSON lines, and its state at
checkpoints, from which it resumes. The task turns the measurements into events of the job, passes on
cancellation, and gives way after a segment, so that no message stays unacknowledged for long and other jobs
get their turn.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import structlog

from service.errors import InvalidRequest, ServiceError
from service.parent_death import wrapped
from service.workers import stopping
from service.workers.run_once import JobCancelled, JobContext, JobYields

log = structlog.get_logger("weightcast.training")

# Trainers by kind: a module that takes `--config FILE --run-dir FOLDER --resume`, ends with status 0 when it
# is done, and on SIGTERM saves its state and ends.
TRAINERS = {"ghn": "training.ghn"}

_POLL_SECONDS = 0.5
# From SIGTERM to SIGKILL. Cancelling promises ten seconds in all; a checkpoint is worth waiting for a little
# longer.
CANCEL_GRACE_SECONDS = 7.0
YIELD_GRACE_SECONDS = 60.0
_LOG_LINES_TOLD = 15


class TrainingFailed(ServiceError):
    code, title = "training-failed", "The training ended with an error"


def run_training(context: JobContext) -> dict[str, Any]:
    """Train for one segment, or to the end. Returns the result of the job.

    Errors: JobYields at the end of a segment, JobCancelled, InvalidRequest for a kind nobody trains,
    TrainingFailed.
    """
    payload = context.job.payload
    kind = payload.get("kind", "ghn")
    if kind not in TRAINERS:
        raise InvalidRequest(
            f"nothing trains the kind {kind!r}", field="kind", hint=f"kinds are {', '.join(TRAINERS)}"
        )
    folder = context.settings.home / "runs" / context.job.id
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.json"
    config.write_text(json.dumps({"name": payload.get("name"), **payload.get("config", {})}, indent=2))
    Segment(context, folder, [sys.executable, "-m", TRAINERS[kind]]).run(config)
    return {"name": payload.get("name"), "kind": kind, **_summary(folder)}


class Segment:
    """One stretch of training under one task."""

    def __init__(self, context: JobContext, folder: Path, command: list[str]) -> None:
        self.context = context
        self.folder = folder
        self.command = command
        self.metrics = MetricsTail(folder)

    def run(self, config: Path) -> None:
        """Until the training is done. A trainer that is killed from outside is started again, a few times."""
        command = [*self.command, "--config", str(config), "--run-dir", str(self.folder), "--resume"]
        deadline = time.monotonic() + self.context.settings.training_segment_seconds
        for _ in range(self.context.settings.job_attempts):
            status = self._supervise(command, deadline)
            if status == 0:
                return
            if status > 0:
                break
            log.warning("training.killed", signal=-status, job_id=self.context.job.id)
        raise TrainingFailed(
            f"the trainer ended with status {status}",
            log=log_tail(self.folder / "trainer.log", _LOG_LINES_TOLD),
        )

    def _supervise(self, command: list[str], deadline: float) -> int:
        """The exit status of the trainer, negative when a signal ended it."""
        with (self.folder / "trainer.log").open("ab") as output:
            trainer = start_trainer(command, output)
        try:
            while trainer.poll() is None:
                self._tell()
                if self.context.should_stop():
                    stop(trainer, CANCEL_GRACE_SECONDS)
                    raise JobCancelled
                if stopping.announced() or time.monotonic() > deadline:
                    stop(trainer, self._yield_grace())
                    # It may have come to its end in the meantime.
                    if trainer.returncode == 0 and is_done(self.folder):
                        break
                    self._tell()
                    raise JobYields
                time.sleep(_POLL_SECONDS)
        finally:
            stop(trainer, 0)
        self._tell()
        return trainer.returncode

    def _yield_grace(self) -> float:
        return min(
            YIELD_GRACE_SECONDS,
            self.context.settings.shutdown_seconds * 0.7 if stopping.announced() else math.inf,
        )

    def _tell(self) -> None:
        for values in self.metrics.new():
            self.context.metric(values)
            if "step" in values and "steps" in values:
                self.context.progress(values["step"], values["steps"] or 0, str(values.get("message", "")))


def start_trainer(command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """In a process group of its own, and gone when this process is gone."""
    return subprocess.Popen(
        wrapped(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """SIGTERM, then after `grace_seconds` SIGKILL to the whole group. Returns when the process is gone."""
    if process.poll() is None and grace_seconds > 0:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            log.warning("training.did_not_stop", seconds=grace_seconds)
    try:
        os.killpg(process.pid, signal.SIGKILL)  # helpers that the trainer left behind
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


class MetricsTail:
    """New lines of metrics.jsonl, each told once over all segments: how far it was told is kept beside it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "metrics.jsonl"
        self._mark = folder / "metrics.told"

    def new(self) -> Iterator[dict[str, Any]]:
        told = self._told()
        try:
            with self._path.open("rb") as file:
                file.seek(told)
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]  # the last line may still be being written
        if not whole:
            return
        for line in whole.splitlines():
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict):
                yield finite(values)
        self._mark.write_text(str(told + len(whole)))

    def _told(self) -> int:
        try:
            told = int(self._mark.read_text())
            # A trainer that resumes from a checkpoint may have cut the lines written after it.
            return told if told <= self._path.stat().st_size else 0
        except (FileNotFoundError, ValueError):
            return 0


def finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN and no infinity: such numbers become null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


def log_tail(path: Path, lines: int) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def is_done(folder: Path) -> bool:
    """Whether the trainer said that it came to its end (and not merely to a checkpoint)."""
    return (folder / "result.json").exists()


def _summary(folder: Path) -> dict[str, Any]:
    try:
        summary = json.loads((folder / "result.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return finite(summary) if isinstance(summary, dict) else {}
