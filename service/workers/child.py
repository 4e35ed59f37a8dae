"""The process that does the work: what it holds, how it warms up, and the pulse it gives.

Started by `start` right after the fork, which must be quick: imports and models load in a thread, beside the
first task if there is one. Only a warm worker announces itself, so /readyz means that a prediction starts at
once.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from dataclasses import dataclass
from functools import lru_cache

import structlog

from service import tracing
from service.errors import ServiceError, Unavailable
from service.logs import configure_logging
from service.parent_death import bind_to_parent
from service.settings import Settings, get_settings
from service.store.cache import ResultCache
from service.store.connection import connect_cache
from service.store.jobs import JobStore
from service.store.workers import ANNOUNCE_EVERY_SECONDS, WorkerFacts, WorkerInfo, WorkerRegistry
from service.workers.hearing import hearing
from service.workers.recovery import Reconciler
from service.workers.runtime import Runtime
from service.workers.stopping import QUEUES_VARIABLE, announced

log = structlog.get_logger("weightcast.worker")

_WARM_UP_AGAIN_SECONDS = 5.0
_stopped = threading.Event()
_tried = threading.Event()  # the first warm-up has ended, well or not
_pulse: list[threading.Thread] = []


@dataclass(frozen=True, slots=True)
class Child:
    """Connections and models of this process."""

    settings: Settings
    store: JobStore
    cache: ResultCache
    runtime: Runtime


@lru_cache(maxsize=1)
def current() -> Child:
    """Made at first use in the child, never before the fork: connections must not be shared."""
    settings = get_settings()
    return Child(
        settings=settings,
        store=JobStore.from_settings(settings),
        cache=ResultCache(connect_cache(settings)),
        runtime=Runtime(settings),
    )


def start() -> None:
    # Dies with its parent: a child that nobody can reach must not go on computing.
    bind_to_parent(signal.SIGKILL, os.getppid())
    configure_logging(get_settings())
    # Here and not in the parent: its thread would not survive the fork.
    tracing.configure("weightcast-worker")
    queues = [queue for queue in os.environ.get(QUEUES_VARIABLE, "predict").split(",") if queue]
    _pulse.append(threading.Thread(target=_live, args=(queues,), name="pulse", daemon=True))
    _pulse[0].start()


def await_warm_up(seconds: float) -> bool:
    """Wait so long for the first warm-up. True when it is over, or when none is under way."""
    return not _pulse or _tried.wait(seconds)


def stop() -> None:
    """Say goodbye, so that nobody counts on this worker; but do not wait for a warm-up."""
    _stopped.set()
    for thread in _pulse:
        thread.join(1.0)
    tracing.shutdown()


def _live(queues: list[str]) -> None:
    child = current()
    while not _warm_up(child, queues):
        _tried.set()
        if _stopped.wait(_WARM_UP_AGAIN_SECONDS):
            return
    _tried.set()
    registry = WorkerRegistry(child.store.redis)
    reconciler = Reconciler(child.store, child.settings)
    name = f"{socket.gethostname()}:{os.getpid()}"
    facts = _facts(child.settings, queues)
    me = [WorkerInfo(queue=queue, name=name, facts=facts) for queue in queues]
    while not _stopped.wait(ANNOUNCE_EVERY_SECONDS if _announce(registry, me) else 1.0):
        reconciler.step()
        if hearing.is_deaf(_waiting(child.store, queues)):
            log.error("worker.deaf", queues=queues)
            # It holds no job. Whoever started it starts it again; this process ends with it.
            os.kill(os.getppid(), signal.SIGKILL)
    if not announced():
        return  # another child takes over: what is asked for meanwhile waits for it, and is not refused
    for worker in me:
        try:
            registry.withdraw(worker)
        except Unavailable:
            return  # it expires by itself


def _waiting(store: JobStore, queues: list[str]) -> int:
    """Messages in these queues; none, as long as Redis does not say."""
    try:
        return sum(store.queue_depth(queue) for queue in queues)
    except Unavailable:
        return 0


def _facts(settings: Settings, queues: list[str]) -> WorkerFacts:
    """Where a worker that predicts decodes weights."""
    if "predict" not in queues:
        return {}
    from service.ghn.device import describe, find_device

    return {"device": describe(find_device(settings.device))}


def _announce(registry: WorkerRegistry, me: list[WorkerInfo]) -> bool:
    try:
        for worker in me:
            registry.announce(worker)
    except Unavailable:
        log.warning("worker.cannot_announce")
        return False
    return True


def _warm_up(child: Child, queues: list[str]) -> bool:
    """Load what the first task of a queue needs. False when that failed: such a worker is not ready."""
    if "predict" not in queues and "rank" not in queues:
        return True
    started = time.monotonic()
    try:
        child.runtime.warm_up()
    except Unavailable as error:
        log.error("worker.warm_up_failed", detail=error.detail, hint=error.extra.get("hint"))
        return False
    except ServiceError as error:
        # A default model that is missing or damaged is told to those who ask for it; others may work.
        log.warning("worker.warm_up_incomplete", detail=error.detail)
    except Exception:
        log.exception("worker.warm_up_failed")
        return False
    log.info("worker.warm", queues=queues, seconds=round(time.monotonic() - started, 2))
    return True
