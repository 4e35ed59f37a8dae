"""Children are restarted when they crash, later each time, and stopped in order; none is left."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog

from benchmarks.served import soon
from service.embedded import _private_folder, check_port
from service.errors import Conflict, InvalidRequest
from service.private_redis import await_predecessor
from service.settings import Settings
from service.supervisor import Service, Supervisor


def shell(name: str, script: str, *, stop_seconds: float = 5.0, stop_order: int = 0) -> Service:
    return Service(name, ["sh", "-c", script], dict(os.environ), stop_seconds, stop_order)


def run_for(supervisor: Supervisor, seconds: float) -> None:
    threading.Timer(seconds, supervisor.stop).start()
    assert supervisor.run() == 0


def run_until(supervisor: Supervisor, enough: Callable[[], bool]) -> None:
    def watch() -> None:
        try:
            soon(enough, 30)
        finally:
            supervisor.stop()

    threading.Thread(target=watch).start()
    assert supervisor.run() == 0


def test_a_crashed_child_starts_again_ever_later(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    supervisor = Supervisor()
    supervisor.start([shell("crasher", f"date +%s.%N >> {starts}; exit 1")])
    run_for(supervisor, 4.0)
    times = [float(line) for line in starts.read_text().split()]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert 2 <= len(gaps) <= 5 and gaps[-1] > gaps[0]


@pytest.mark.parametrize(
    ("script", "delay"), [("exit 0", 0.25), ("kill -KILL $$", 0.25), ("kill -TERM $$", 0.25), ("exit 1", 1.0)]
)
def test_what_was_stopped_or_killed_starts_again_at_once(
    script: str, delay: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what fails by itself is given time."""
    monkeypatch.setattr("service.supervisor._KILLED_HEALTHY_SECONDS", 0.0)
    supervisor = Supervisor()
    with structlog.testing.capture_logs() as log:
        supervisor.start([shell("victim", f"sleep 0.1; {script}")])
        run_until(supervisor, lambda: len(delays_of(log)) >= 3)
    assert delays_of(log)[2] == delay


def delays_of(log: Sequence[MutableMapping[str, Any]]) -> list[float]:
    return [line["restart_in_seconds"] for line in log if line["event"] == "service.ended"]


def test_children_stop_in_order(tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    supervisor = Supervisor()
    wait = "trap 'echo {0} >> {1}; exit' TERM; while :; do sleep 0.05; done"
    supervisor.start(
        [shell(str(n), wait.format(n, ends), stop_order=n) for n in (2, 0, 1)],
    )
    run_for(supervisor, 1.0)
    assert ends.read_text().split() == ["0", "1", "2"]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_deaf_child_and_what_it_started_are_killed(tmp_path: Path, at_once: bool) -> None:
    pids = tmp_path / "pids"
    supervisor = Supervisor()
    deaf = f"trap '' TERM; sleep 60 & echo $! > {pids}; echo $$ >> {pids}; while :; do sleep 0.05; done"
    supervisor.start([shell("deaf", deaf, stop_seconds=60 if at_once else 0.3)])
    while not pids.exists() or len(pids.read_text().split()) < 2:
        time.sleep(0.02)
    if at_once:
        supervisor.stop(at_once=True)
    started = time.monotonic()
    supervisor.shut_down()
    assert time.monotonic() - started < 10
    # The kernel takes a moment to end what was started by the child.
    while any(is_running(int(pid)) for pid in pids.read_text().split()):
        assert time.monotonic() - started < 10
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_port_in_use_and_a_foreign_address_are_told_apart() -> None:
    free = check_port("127.0.0.1", 0)
    assert check_port("127.0.0.1", free) == free
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(Conflict):
            check_port("127.0.0.1", listener.getsockname()[1])
    for host in ("203.0.113.7", "no-such-host.invalid"):
        with pytest.raises(InvalidRequest):
            check_port(host, 0)


def test_the_folder_of_the_socket_is_private_and_its_path_short(tmp_path: Path) -> None:
    for home in (tmp_path / "h", tmp_path / ("long" * 30)):
        home.mkdir()
        with _private_folder(Settings(home=home)) as folder:
            assert len(os.fsencode(folder / "redis.sock")) < 100 and folder.stat().st_mode & 0o777 == 0o700
        assert not folder.exists()


def test_a_predecessor_that_is_gone_or_another_program_is_no_obstacle(tmp_path: Path) -> None:
    pid_file = tmp_path / "redis.pid"
    await_predecessor(pid_file)
    pid_file.write_text(f"{os.getpid()}\n")
    await_predecessor(pid_file)
    pid_file.write_text("nonsense")
    await_predecessor(pid_file)
