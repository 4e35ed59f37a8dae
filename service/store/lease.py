"""Who works on a job right now: a key with a short life that its holder keeps renewing.

A token names its holder (`host/pid namespace/process/random`), so that a process on the same machine can see
that the holder is dead and take over at once; everybody else waits until the key has expired.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis
import structlog

from service.errors import Unavailable
from service.store import scripts
from service.store.connection import redis_or_unavailable

log = structlog.get_logger("weightcast.lease")


def _here() -> str:
    """This machine and its process numbers: containers may share a host name, but not a namespace of process
    ids.
    """
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}/{namespace}"


def new_token() -> str:
    return f"{_here()}/{os.getpid()}/{secrets.token_hex(8)}"


def holder_is_dead(token: str) -> bool:
    """True only when the holder's process was on this machine and is gone."""
    place, _, rest = token.rpartition("/")[0].rpartition("/")
    if place != _here() or not rest.isdigit():
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _is_zombie(int(rest))


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in ("Z", "X")
    except (OSError, IndexError):
        return False


class Lease:
    """A held lease. `lost` is set when somebody else has taken the job: stop working, nothing will be
    accepted.
    """

    def __init__(self, client: redis.Redis, job_id: str, token: str, seconds: float) -> None:
        self.job_id = job_id
        self.token = token
        self.lost = threading.Event()
        self._key = key_of(job_id)
        self._milliseconds = int(seconds * 1000)
        self._redis = client
        self._renew = client.register_script(scripts.RENEW)
        self._release = client.register_script(scripts.RELEASE)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{job_id[:8]}", daemon=True)

    @redis_or_unavailable()
    def renew(self) -> bool:
        return bool(self._renew(keys=[self._key], args=[self.token, self._milliseconds]))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing and give the lease up."""
        self._done.set()
        self._thread.join()
        try:
            with redis_or_unavailable():
                self._release(keys=[self._key], args=[self.token])
        except Unavailable:
            log.warning("lease.not_released", job_id=self.job_id)  # it expires by itself

    def _keep(self) -> None:
        while not self._done.wait(self._milliseconds / 3000):
            try:
                held = self.renew()
            except Unavailable:
                continue  # Redis may come back before the lease is over; its holder is then still the owner
            if not held and not self._acquire_again():
                log.warning("lease.lost", job_id=self.job_id)
                self.lost.set()
                return

    def _acquire_again(self) -> bool:
        # The key is gone, for instance because Redis was restarted: ours again if nobody was faster.
        return bool(self._redis.set(self._key, self.token, nx=True, px=self._milliseconds))


def key_of(job_id: str) -> str:
    return f"wc:lease:{job_id}"


@redis_or_unavailable()
def holder(client: redis.Redis, job_id: str) -> str | None:
    """The token of the one who works on the job, None when nobody does or the holder is known to be dead."""
    token = client.get(key_of(job_id))
    return None if token is None or holder_is_dead(token) else str(token)


@redis_or_unavailable()
def drop_dead(client: redis.Redis, job_id: str) -> None:
    """Delete the lease of a holder that is known to be dead."""
    token = client.get(key_of(job_id))
    if token is not None and holder_is_dead(token):
        client.register_script(scripts.RELEASE)(keys=[key_of(job_id)], args=[token])


@redis_or_unavailable()
def acquire(client: redis.Redis, job_id: str, seconds: float) -> Lease | None:
    """The lease, or None when somebody else works on the job. It is not renewed before `start`."""
    token, milliseconds = new_token(), int(seconds * 1000)
    if client.set(key_of(job_id), token, nx=True, px=milliseconds):
        return Lease(client, job_id, token, seconds)
    current = client.get(key_of(job_id))
    if current is not None and holder_is_dead(current):
        take_over = client.register_script(scripts.TAKE_OVER)
        if take_over(keys=[key_of(job_id)], args=[current, token, milliseconds]):
            return Lease(client, job_id, token, seconds)
    return None


@contextmanager
def held(client: redis.Redis, job_id: str, seconds: float) -> Iterator[Lease | None]:
    """Hold the lease of a job for a block of code; None when somebody else works on it."""
    lease = acquire(client, job_id, seconds)
    if lease is None:
        yield None
        return
    lease.start()
    try:
        yield lease
    finally:
        lease.stop()
