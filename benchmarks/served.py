"""A whole service in processes of its own, as `weightcast serve` starts it: for benchmarks that hurt it,
and for the tests of the system.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from service.parent_death import wrapped

START_SECONDS = 120.0
# Every request makes a client, which reads certificates first: tens of milliseconds of processor time for
# nothing over http. Of a service that is asked twenty times a second, they took half a core.
_PLAIN_HTTP: dict[str, Any] = {"trust_env": False, "verify": False}
_WORKER = "service.workers.app"


def soon(condition: Callable[[], Any], seconds: float = 60.0, every: float = 0.05) -> Any:
    """The first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "this did not happen in time"
        time.sleep(every)
    return value


@dataclass
class RunningService:
    """The supervisor process of a service, its home and its address."""

    process: subprocess.Popen[str]
    home: Path
    url: str
    log: Path

    def children(self) -> list[psutil.Process]:
        """Every process below the supervisor."""
        below: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return below

    def workers(self, queue: str) -> list[psutil.Process]:
        """The worker of a queue and its child: the parent comes first."""
        named = f"celeryd: {queue}-"
        lines = [(p, command_of(p)) for p in self.children()]
        return [p for p, command in lines if named in " ".join(command) or command[-2:] == [_WORKER, queue]]

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, **_PLAIN_HTTP).status_code == 200
        except httpx.HTTPError:
            return False

    def post(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, timeout=60, **_PLAIN_HTTP)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", timeout=60, **_PLAIN_HTTP)

    def delete(self, path: str) -> httpx.Response:
        return httpx.delete(f"{self.url}{path}", timeout=60, **_PLAIN_HTTP)

    def final(self, job_id: str, seconds: float = 60.0) -> dict[str, Any]:
        """The job once it has ended."""

        def ended() -> dict[str, Any] | None:
            job = self.get(f"/jobs/{job_id}").json()
            return job if job["status"] in ("succeeded", "failed", "cancelled") else None

        job: dict[str, Any] = soon(ended, seconds)
        return job


def command_of(process: psutil.Process) -> list[str]:
    """Its command line, empty for one that has ended."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []


def start(home: Path, **options: str) -> RunningService:
    """Start a service on a free port and wait until it is ready."""
    log = home.parent / "serve.log"
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("WEIGHTCAST_")},
        "WEIGHTCAST_HOME": str(home),
        "WEIGHTCAST_DEFAULT_MODEL": "tiny",
        "WEIGHTCAST_THREADS": "1",
        "WEIGHTCAST_LEASE_SECONDS": "5",
        "OMP_NUM_THREADS": "1",
        **{f"WEIGHTCAST_{name.upper()}": value for name, value in options.items()},
    }
    command = [sys.executable, "-m", "service.cli", "serve", "--port", "0"]
    output_file = home.parent / "serve.out"
    with log.open("w") as errors, output_file.open("w") as output:
        # It ends with this process, however that happens.
        process = subprocess.Popen(
            wrapped(command, with_signal=signal.SIGTERM),
            env=environment,
            stdout=output,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    running = RunningService(process, home, "", log)
    try:
        running.url = _address(process, output_file, log)
    except BaseException:
        end(running)
        raise
    return running


def _address(process: subprocess.Popen[str], output_file: Path, log: Path) -> str:
    """Where the service says it is ready."""
    deadline = time.monotonic() + START_SECONDS
    # Where every line is JSON, so is this one, and it is in the log.
    while "is ready on " not in (text := output_file.read_text() + log.read_text()):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.05)
    return text.split("is ready on ")[1].split()[0]


def end(service: RunningService) -> None:
    """Whatever a test left: nothing of it may outlive the test."""
    try:
        left = [*service.children(), psutil.Process(service.process.pid)]
    except psutil.NoSuchProcess:
        left = []
    if service.process.poll() is None:
        service.process.send_signal(signal.SIGTERM)
        try:
            service.process.wait(30)
        except subprocess.TimeoutExpired:
            service.process.kill()
            service.process.wait()
    for process in left:
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            process.kill()
