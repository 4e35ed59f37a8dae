"""Supervising a trainer: its measurements, its end, and every way of stopping it. The trainer is a script."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.served import soon
from service.contract.kinds import KINDS
from service.settings import Settings
from service.store.jobs import JobStore
from service.store.records import Job, JobStatus
from service.workers import stopping, training
from service.workers.run_once import run_once
from service.workers.trainer_process import MetricsTail
from service.workers.training import run_training
from tests.job_events import events_of

# Ten steps a run, a tenth of a second each, one checkpoint a step. It can be told to misbehave.
TRAINER = """
from __future__ import annotations
import json, math, os, signal, sys, time
from dataclasses import dataclass
from service.contract.options import Options

@dataclass(frozen=True, kw_only=True)
class Orders(Options):
    deaf: bool = False
    refused: str | None = None
    crash: bool = False
    seconds: float = 0.02
    killed_at: int | None = None

def run(orders, job):
    run, stop = job.folder, []
    state = run / "state"
    signal.signal(signal.SIGTERM, lambda *_: None if orders.deaf else stop.append(1))
    (run / "pid").write_text(str(os.getpid()))
    if orders.refused:
        problem = {"type": "urn:no", "title": "no", "status": 422, "detail": orders.refused}
        (run / "problem.json").write_text(json.dumps(problem))
        sys.exit(3)
    if orders.crash:
        sys.exit("the trainer crashed")
    step = int(state.read_text()) if state.exists() else 0
    while step < 10 and not stop:
        time.sleep(orders.seconds)
        step += 1
        if step == orders.killed_at and not (run / "killed").exists():
            (run / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        with (run / "metrics.jsonl").open("a") as file:
            loss = math.nan if step == 3 else 1 / step
            file.write(json.dumps({"step": step, "progress": step / 10, "loss": loss}) + "\\n")
        state.write_text(str(step))
    if step < 10:
        return None
    (run / "model").mkdir(exist_ok=True)
    (run / "model" / "weights").write_text("w")
    return {"steps": step}
"""


@pytest.fixture
def store(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobStore:
    (tmp_path / "fake_trainer.py").write_text(TRAINER)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', os.getcwd())}")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "fake_trainer", raising=False)
    orders = import_module("fake_trainer").Orders
    for kind in ("ghn", "finetune"):
        monkeypatch.setitem(KINDS, kind, replace(KINDS[kind], run="fake_trainer:run", options=orders))
    monkeypatch.setattr(training, "_POLL_SECONDS", 0.05)
    return JobStore.from_settings(settings)


@pytest.fixture(autouse=True)
def _not_stopping() -> Iterator[None]:
    yield
    stopping._flag[0] = 0


def make(store: JobStore, name: str = "mine", **config: object) -> Job:
    payload = {"kind": "ghn", "name": name, "config": config}
    return store.create("training", key="", payload=payload, owner="anna", queue="training")


def steps_told(store: JobStore, job: Job) -> list[int]:
    return [event.data["step"] for event in events_of(store, job.id) if event.type == "metric"]


def status(store: JobStore, job: Job) -> JobStatus:
    found = store.get(job.id)
    assert found is not None
    return found.status


def is_alive(settings: Settings, job: Job) -> bool:
    pid = int((settings.home / "runs" / job.id / "pid").read_text())
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_run_to_the_end_publishes_the_model(store: JobStore, settings: Settings) -> None:
    job = make(store)
    assert not run_once(store, job.id, run_training, settings)
    done = store.get(job.id)
    assert done is not None and done.result == {"model": "mine", "kind": "ghn", "steps": 10}, done
    assert done.progress.done == 100 and steps_told(store, job) == list(range(1, 11))
    assert (settings.home / "models" / "mine" / "weights").read_text() == "w"
    losses = [event.data["loss"] for event in events_of(store, job.id) if event.type == "metric"]
    assert losses[2] is None  # not a number, and so not JSON


def test_cancelling_takes_less_than_ten_seconds_even_of_a_deaf_trainer(
    store: JobStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CANCEL_GRACE_SECONDS", 0.5)
    job = make(store, seconds=1, deaf=True)
    thread = threading.Thread(target=run_once, args=(store, job.id, run_training, settings))
    thread.start()
    soon(lambda: steps_told(store, job) != [])
    store.request_cancel(job.id)
    thread.join(10)
    assert status(store, job) is JobStatus.CANCELLED and not is_alive(settings, job)
    assert not (settings.home / "models" / "mine").exists()


def test_a_cancelled_fine_tuning_leaves_no_tensors(
    store: JobStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = {"kind": "finetune", "name": None, "config": {"seconds": 1}}
    job = store.create("training", key="", payload=payload, owner="anna", queue="training")
    folder = settings.home / "runs" / job.id
    folder.mkdir(parents=True)
    for name in ("train.state.safetensors", "train.state.tmp"):
        (folder / name).touch()
    thread = threading.Thread(target=run_once, args=(store, job.id, run_training, settings))
    thread.start()
    soon(lambda: steps_told(store, job) != [])
    store.request_cancel(job.id)
    thread.join(10)
    assert status(store, job) is JobStatus.CANCELLED
    assert list(folder.glob("train.*")) == [] and (folder / "metrics.jsonl").exists()


def test_segments_make_one_run(store: JobStore, settings: Settings) -> None:
    job, segments = make(store, seconds=0.6), 1
    short = settings.model_copy(update={"training_segment_seconds": 4.0})
    while run_once(store, job.id, run_training, short):
        segments += 1
        assert status(store, job) is JobStatus.RUNNING and not is_alive(settings, job)
    assert status(store, job) is JobStatus.SUCCEEDED and segments > 1
    assert steps_told(store, job) == list(range(1, 11))


def test_a_job_that_had_no_turn_yet_gets_one_early(
    store: JobStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "LEAST_STRETCH_SECONDS", 4.0)
    monkeypatch.setattr(training, "_LOOK_SECONDS", 0.1)
    long, new = make(store, "long", seconds=0.6), make(store, "new", seconds=0.01)
    started = time.monotonic()
    assert run_once(store, long.id, run_training, settings)
    assert time.monotonic() - started >= 4
    first = steps_told(store, long)
    assert first and first[-1] < 10 and not is_alive(settings, long)
    # The other one ends in one go, for the long one has had its turn, and then that one does.
    assert not run_once(store, new.id, run_training, settings)
    assert not run_once(store, long.id, run_training, settings)
    assert (status(store, new), status(store, long)) == (JobStatus.SUCCEEDED, JobStatus.SUCCEEDED)
    assert steps_told(store, long) == list(range(1, 11))


def test_nobody_gives_way_to_jobs_of_other_queues_or_to_those_that_another_worker_takes(
    store: JobStore, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "LEAST_STRETCH_SECONDS", 0.0)
    monkeypatch.setattr(training, "_LOOK_SECONDS", 0.1)
    job = make(store, seconds=0.1)
    store.create("predict", key="", payload={}, owner="anna", queue="predict")
    taken = make(store, "taken")
    look, looks = JobStore.live, []

    def live(self: JobStore) -> object:
        found = look(self)
        if not looks:
            store.begin(taken.id, "another worker")
        looks.append(found)
        return found

    monkeypatch.setattr(JobStore, "live", live)
    assert not run_once(store, job.id, run_training, settings)
    assert status(store, job) is JobStatus.SUCCEEDED and len(looks) > 2


def test_a_stopping_worker_gives_the_job_back(store: JobStore, settings: Settings) -> None:
    job = make(store, seconds=0.3)

    def stop_after_the_first_step() -> None:
        soon(lambda: steps_told(store, job) != [])
        stopping.announce()

    threading.Thread(target=stop_after_the_first_step).start()
    assert run_once(store, job.id, run_training, settings)
    assert status(store, job) is JobStatus.RUNNING and not is_alive(settings, job)
    stopping._flag[0] = 0
    run_once(store, job.id, run_training, settings)
    assert status(store, job) is JobStatus.SUCCEEDED


def test_a_killed_trainer_goes_on_from_its_checkpoint(store: JobStore, settings: Settings) -> None:
    job = make(store, killed_at=5)
    run_once(store, job.id, run_training, settings)
    assert status(store, job) is JobStatus.SUCCEEDED and steps_told(store, job) == list(range(1, 11))


def test_a_trainer_that_crashes_fails_the_job_with_its_last_words(
    store: JobStore, settings: Settings
) -> None:
    job = make(store, crash=True)
    run_once(store, job.id, run_training, settings)
    error = store.get(job.id).error  # type: ignore[union-attr]
    assert error is not None and error["type"].endswith("training-failed")
    assert error["log"][-1] == "the trainer crashed"


def test_a_refusal_of_the_trainer_reaches_the_user(store: JobStore, settings: Settings) -> None:
    job = make(store, refused="unknown training options: lr")
    run_once(store, job.id, run_training, settings)
    error = store.get(job.id).error  # type: ignore[union-attr]
    assert error is not None and error["type"] == "urn:no"
    assert error["detail"] == "unknown training options: lr"


def test_a_name_that_is_taken_is_refused_before_training(tiny: Settings, store: JobStore) -> None:
    job = make(store, name="tiny")
    run_once(store, job.id, run_training, tiny)
    error = store.get(job.id).error  # type: ignore[union-attr]
    assert error is not None and error["status"] == 409


def test_a_line_is_told_once_and_only_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2')
    assert list(MetricsTail(tmp_path).new()) == [{"step": 1}]
    with path.open("a") as file:
        file.write('}\nnonsense\n[]\n{"step": 3}\n')
    assert list(MetricsTail(tmp_path).new()) == [{"step": 2}, {"step": 3}]
    assert list(MetricsTail(tmp_path).new()) == []
