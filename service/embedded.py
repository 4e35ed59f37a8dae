"""The whole service with one command: a private Redis, the workers and the API, as children of one
supervisor.

Children run in process groups of their own, so that a terminal's Ctrl-C reaches the supervisor alone, which
stops them in order. They are bound to its life (parent_death.py): not even `kill -9` of the supervisor
leaves a process behind.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

import httpx
import structlog

from service import home_lock
from service.api.keys import KeyRing
from service.errors import Conflict, InvalidRequest, Unavailable
from service.exposure import refuse_open_door
from service.ghn.device import check_device
from service.logs import configure_logging
from service.private_redis import redis_service
from service.settings import Settings, environment_of
from service.store.connection import connect
from service.store.workers import WorkerRegistry
from service.supervisor import Service, Supervisor

log = structlog.get_logger("weightcast.serve")

_READY_SECONDS = 180.0
_LONGEST_SOCKET_FOLDER = 80  # bytes; the path of a Unix socket may have about 100
_EXTRA_STOP_SECONDS = 3.0  # what a worker needs besides its running task


def serve(
    settings: Settings,
    host: str | None = None,
    port: int | None = None,
    predict_workers: int | None = None,
    *,
    say: Callable[[str], object] | None = None,
) -> int:
    """Run everything until SIGINT or SIGTERM; returns the exit status.

    say: called with lines for the user; default: written to standard output.
    Errors: InvalidRequest for an address that would be open to others without keys; WrongSetting for keys
    that cannot be read; Conflict when the port or the home is in use; Unavailable without the GPU of the
    settings; ServiceError when a part does not start.
    """
    options = {"host": host, "port": port, "predict_workers": predict_workers}
    changes = {name: value for name, value in options.items() if value is not None}
    settings = settings.model_copy(update=changes)
    refuse_open_door(settings)
    KeyRing.from_settings(settings)
    check_device(settings.device)
    configure_logging(settings)
    say = say or (_to_log if settings.log_format == "json" else _to_stdout)
    with ExitStack() as stack:
        lock = stack.enter_context(_only_one(settings))
        port = check_port(settings.host, settings.port)
        settings = settings.model_copy(update={"port": port})
        home_lock.sign(lock, address_of(settings))
        supervisor = stack.enter_context(_stopped_by_signals(Supervisor()))
        run_folder = stack.enter_context(_private_folder(settings))
        if settings.redis_url is None:
            redis, url = redis_service(settings, run_folder)
            settings = settings.model_copy(update={"redis_url": url})
            supervisor.start([redis])
        supervisor.start(_services(settings))
        threading.Thread(target=_say_when_ready, args=(settings, supervisor, say), daemon=True).start()
        return supervisor.run()


def check_port(host: str, port: int) -> int:
    """The port that can be listened on: `port`, or a free one for 0.

    Errors: Conflict when something listens there, InvalidRequest for an address that is not this machine's,
    or a port that this user may not have.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise InvalidRequest(f"{host} is not an address of this machine", field="/host") from None
            if error.errno != errno.EADDRINUSE:
                raise InvalidRequest(
                    f"Port {port} on {host} cannot be used: {error.strerror}.",
                    field="/port",
                    hint="Choose another port with --port.",
                ) from None
            raise Conflict(
                f"Port {port} on {host} is already in use.",
                hint="Stop the program that uses it, or choose another port with --port.",
            ) from None
        return int(probe.getsockname()[1])


def _services(settings: Settings) -> list[Service]:
    environment = {**os.environ, **environment_of(settings), "PYTHONUNBUFFERED": "1"}
    worker_stop_seconds = settings.shutdown_seconds + _EXTRA_STOP_SECONDS

    def worker(name: str, queue: str) -> Service:
        command = [sys.executable, "-m", "service.workers.app", queue]
        return Service(name, command, environment, stop_seconds=worker_stop_seconds, stop_order=1)

    api = [sys.executable, "-m", "service.api.server"]
    return [
        *(worker(f"predict worker {number}", "predict") for number in range(1, settings.predict_workers + 1)),
        worker("training worker", "training"),
        Service("API", api, environment, stop_seconds=10.0, stop_order=0),
    ]


def address_of(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    return f"http://{host if ':' not in host or host.startswith('[') else f'[{host}]'}:{settings.port}"


def _say_when_ready(settings: Settings, supervisor: Supervisor, say: Callable[[str], object]) -> None:
    address, started, is_late = address_of(settings), time.monotonic(), False
    registry = WorkerRegistry(connect(settings))
    while not supervisor.stopping.wait(0.1):
        if _is_ready(registry, address):
            say(f"Weightcast is ready on {address} (documentation: {address}/docs). Ctrl-C stops it.")
            return
        if not is_late and time.monotonic() - started > _READY_SECONDS:
            is_late = True
            say(
                f"Weightcast is not ready after {_READY_SECONDS:g} s: see {address}/readyz and the log above."
            )


def _is_ready(registry: WorkerRegistry, address: str) -> bool:
    # Redis is asked first, so that the log is not full of refused requests for /readyz.
    try:
        return registry.serves("predict") and _answers_ready(address)
    except Unavailable:
        return False


def _answers_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _to_stdout(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _to_log(line: str) -> None:
    log.info("serve.told", detail=line)


@contextmanager
def _only_one(settings: Settings) -> Iterator[IO[str]]:
    """One service a home: a second one would share its Redis folder. Errors: Conflict."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        lock: IO[str] = home_lock.path_of(settings.home).open("a+")
    except OSError as error:
        raise Unavailable(
            f"the folder {settings.home} cannot be written: {error.strerror}",
            hint="set WEIGHTCAST_HOME to another folder",
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "starting"
            raise Conflict(
                f"Weightcast already runs with the home {settings.home} ({owner})",
                hint="stop it, or set WEIGHTCAST_HOME to another folder",
            ) from None
        yield lock


@contextmanager
def _private_folder(settings: Settings) -> Iterator[Path]:
    """A folder for sockets that only this user can enter: in the home, or elsewhere when that path is too
    long.
    """
    folder = settings.home / "run"
    if len(os.fsencode(folder)) > _LONGEST_SOCKET_FOLDER:
        folder = Path(tempfile.mkdtemp(prefix="weightcast-"))
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stopped_by_signals(supervisor: Supervisor) -> Iterator[Supervisor]:
    """The first signal stops in order, the second at once."""

    def handle(number: int, _: FrameType | None) -> None:
        supervisor.stop(at_once=supervisor.stopping.is_set())

    handled = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [signal.signal(number, handle) for number in handled]
    try:
        yield supervisor
    finally:
        supervisor.shut_down()
        for number, handler in zip(handled, before, strict=True):
            signal.signal(number, handler)
