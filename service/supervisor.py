"""Keeps child processes running: starts them, restarts what crashes (later each time), stops them in
order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from service.errors import ServiceError
from service.parent_death import wrapped

log = structlog.get_logger("weightcast.serve")

_POLL_SECONDS = 0.2
_LONGEST_BACKOFF_SECONDS = 30.0
# A service that ran this long before it ended starts again without delay: when it failed, and when somebody
# stopped or killed it, which says nothing of the next time.
_HEALTHY_SECONDS = 60.0
_KILLED_HEALTHY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Service:
    """One child. It stops with SIGTERM within stop_seconds, or is killed; a lower stop_order stops earlier.

    death_signal: what it gets when the supervisor dies. started: called after each start with a function that
    tells whether the process lives; it returns when the service can be used by the others, and raises
    ServiceError when it cannot.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_seconds: float
    stop_order: int
    death_signal: signal.Signals = signal.SIGKILL
    started: Callable[[Callable[[], bool]], None] | None = None


@dataclass(slots=True)
class _Running:
    service: Service
    process: subprocess.Popen[bytes]
    since: float = field(default_factory=time.monotonic)
    crashes: int = 0
    restart_at: float | None = None

    def is_alive(self) -> bool:
        return self.process.poll() is None


class Supervisor:
    """Not thread-safe, but `stop` may be called from a signal handler."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._at_once = threading.Event()
        self._running: list[_Running] = []

    def start(self, services: Sequence[Service]) -> None:
        for service in services:
            child = _Running(service, _spawn(service))
            self._running.append(child)
            if service.started:
                service.started(child.is_alive)

    def run(self) -> int:
        """Watch until `stop`, then shut down. Returns the exit status."""
        while not self.stopping.wait(_POLL_SECONDS):
            for child in self._running:
                self._look_after(child)
        self.shut_down()
        return 0

    def stop(self, *, at_once: bool = False) -> None:
        """Ask `run` to end; at_once: without waiting for anybody's work."""
        self.stopping.set()
        if at_once:
            self._at_once.set()

    def shut_down(self) -> None:
        """Stop every child, in order; none is left when this returns. May be called again."""
        self.stopping.set()
        for order in sorted({child.service.stop_order for child in self._running}):
            group = [child for child in self._running if child.service.stop_order == order]
            for child in group:
                if child.process.poll() is None:
                    child.process.send_signal(signal.SIGTERM)
            for child in group:
                self._await_end(child)
        self._running.clear()

    def _await_end(self, child: _Running) -> None:
        deadline = time.monotonic() + child.service.stop_seconds
        while child.process.poll() is None and time.monotonic() < deadline and not self._at_once.is_set():
            time.sleep(0.02)
        if child.process.poll() is None:
            log.warning("service.killed", service=child.service.name)
        _kill_group(child.process)
        child.process.wait()

    def _look_after(self, child: _Running) -> None:
        now = time.monotonic()
        if child.restart_at is None:
            status = child.process.poll()
            if status is None:
                return
            _kill_group(child.process)  # what it started must not live beside its successor
            healthy = _HEALTHY_SECONDS if status > 0 else _KILLED_HEALTHY_SECONDS
            child.crashes = 1 if now - child.since > healthy else child.crashes + 1
            delay = min(0.25 * 2 ** (child.crashes - 1), _LONGEST_BACKOFF_SECONDS)
            child.restart_at = now + delay
            log.error("service.ended", service=child.service.name, status=status, restart_in_seconds=delay)
        if now < child.restart_at:
            return
        child.process, child.since, child.restart_at = _spawn(child.service), now, None
        if child.service.started:
            try:
                child.service.started(child.is_alive)
            except ServiceError as error:
                log.error("service.not_usable", service=child.service.name, detail=error.detail)


def _spawn(service: Service) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        wrapped(service.command, with_signal=service.death_signal),
        env=dict(service.environment),
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in a terminal is for the supervisor alone
    )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
