"""The configuration that keeps jobs safe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from service.errors import InvalidRequest
from service.parent_death import wrapped
from service.settings import Settings
from service.store.broker import QUEUES, TASK_OF_QUEUE
from service.workers.app import app, served_queues, worker_options


def test_late_acknowledgement_one_task_at_a_time_json_only(settings: Settings) -> None:
    options = worker_options(settings)
    assert (
        options["task_acks_late"] and options["task_reject_on_worker_lost"] and options["task_ignore_result"]
    )
    assert options["worker_pool"] == "prefork" and options["worker_concurrency"] == 1
    assert options["worker_prefetch_multiplier"] == 1
    assert options["accept_content"] == ["json"] and options["task_serializer"] == "json"


def test_every_task_ends_before_its_message_is_handed_out_again(settings: Settings) -> None:
    options = worker_options(settings)
    limits = [options["task_time_limit"], options["task_annotations"]["training.run"]["time_limit"]]
    assert max(limits) <= options["visibility_timeout"] / 2


def test_every_queue_has_a_task_and_a_worker() -> None:
    app.loader.import_default_modules()
    assert set(TASK_OF_QUEUE) == set(QUEUES) and set(TASK_OF_QUEUE.values()) <= set(app.tasks)
    assert set(QUEUES) == set(served_queues(["predict", "training"]))
    with pytest.raises(InvalidRequest):
        served_queues(["predcit"])


def test_the_parent_of_the_workers_never_imports_torch() -> None:
    modules = "service.workers.app, service.workers.tasks, service.workers.child, service.workers.work"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part of it is Linux's")
def test_a_bound_process_dies_with_its_parent() -> None:
    code = (
        "import subprocess, sys, time; from service.parent_death import wrapped;"
        "p = subprocess.Popen(wrapped(['sleep', '60'])); print(p.pid, flush=True); time.sleep(60)"
    )
    deadline = time.monotonic() + 5
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        while b"sleep" not in _command_line(child) and time.monotonic() < deadline:
            time.sleep(0.02)
        parent.kill()
    while _command_line(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _command_line(child) == b""


def test_a_bound_process_is_the_command_itself() -> None:
    done = subprocess.run(
        wrapped(["sh", "-c", "echo $0; exit 7"], with_signal=signal.SIGTERM), capture_output=True
    )
    assert done.returncode == 7 and done.stdout == b"sh\n"


def _command_line(pid: int) -> bytes:
    """Empty for a process that is gone, or that nobody has waited for yet."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def test_the_environment_is_passed_on() -> None:
    done = subprocess.run(
        wrapped(["sh", "-c", "echo $WEIGHTCAST_TEST"]),
        env={**os.environ, "WEIGHTCAST_TEST": "here"},
        capture_output=True,
    )
    assert done.stdout == b"here\n"
