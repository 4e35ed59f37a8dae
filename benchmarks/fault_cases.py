"""Single faults, each with what must come of it. A case takes a running service, leaves it working, and says
in a sentence what happened. Raises AssertionError when the promise was broken.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import redis

from benchmarks.fault_requests import cell
from benchmarks.served import RunningService, command_of, soon
from service.store.workers import WorkerRegistry

_rng = random.SystemRandom()
ATTEMPTS = 3


def network(name: str) -> dict[str, Any]:
    """A network that this service has not seen, by its number of classes."""
    return {"format": "torchvision", "name": name, "num_classes": _rng.randrange(20, 9000)}


def poison(service: RunningService) -> str:
    """A job that kills its worker each time it runs, beside jobs of others."""
    await_warm(service)
    job = _queued(service, network("densenet201"))
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(_answered, service) for _ in range(6)]
        deaths = _kill_whoever_runs(service, job["id"])
        final = service.final(job["id"], 200)
        assert final["status"] == "failed" and "retries-exhausted" in final["error"]["type"], final
        assert deaths == ATTEMPTS
        assert all(other.result()["status"] == "succeeded" for other in others)
    return f"failed after {deaths} attempts, {len(others)} of {len(others)} other jobs succeeded"


def cancelled(service: RunningService) -> str:
    """A job that waits behind others, and one that runs."""
    await_warm(service)
    running, *_, waiting = (_queued(service, network("densenet201")) for _ in range(4))
    soon(lambda: service.get(f"/jobs/{running['id']}").json()["status"] != "queued", every=0.002)
    seconds = []
    for job in (waiting, running):
        start = time.monotonic()
        service.delete(f"/jobs/{job['id']}")
        final = service.final(job["id"], 20)
        seconds.append(time.monotonic() - start)
        # Asked while its last step ran, a job may be done.
        assert final["status"] == "cancelled" or job is running, final
    assert max(seconds) < 10
    return f"queued: {seconds[0]:.2f} s, running: {seconds[1]:.2f} s"


def damaged(service: RunningService) -> str:
    """A file of weights in which a byte changes."""
    await_warm(service)
    body = {"architecture": cell(random.Random(_rng.random()))}
    first = _succeeded(service.post("/predict-weights", body, Prefer="wait=60"))
    weights = first["result"]["weights"]
    path = next(service.home.glob(f"artifacts/*/{weights['url'].rpartition('/')[2]}"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    try:
        sent = service.get(weights["url"])
        assert sent.status_code != 200, "a damaged file was sent whole"
    except httpx.RemoteProtocolError:
        pass  # cut before its end
    assert service.get(weights["url"]).status_code == 404
    again = _succeeded(service.post("/predict-weights", body, Prefer="wait=60"))
    whole = service.get(again["result"]["weights"]["url"]).content
    assert hashlib.sha256(whole).hexdigest() == weights["sha256"] and not again["result"]["cached"]
    return "cut short, deleted, computed again with the same digest"


def full_disk(service: RunningService) -> str:
    """No file of the API or the worker may grow: what a full disk does to them."""
    await_warm(service)
    answers = []
    with _no_room(service):
        for architecture in (cell(random.Random(_rng.random())), network("resnet18")):
            body = {"architecture": architecture, "output": "safetensors"}
            answer = service.post("/predict-weights", body, Prefer="wait=60")
            answers.append(answer.status_code)
            assert answer.status_code in (503, 507) and "retry-after" in answer.headers, answer.text
    _succeeded(service.post("/predict-weights", {"architecture": architecture}, Prefer="wait=60"))
    return f"answers {answers} with Retry-After; 200 once there is room"


def restart(service: RunningService) -> str:
    """What is answered from the death of Redis, and of the worker, until all works again."""
    await_warm(service)
    statuses: list[int] = []
    for find in (_redis_process, lambda s: s.workers("predict")[0]):
        find(service).kill()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            body = {"architecture": cell(random.Random(_rng.random())), "output": "tiles"}
            answer = service.post("/predict-weights", body, Prefer="wait=5")
            assert answer.status_code in (200, 202, 503), answer.text
            assert answer.status_code != 503 or "retry-after" in answer.headers
            statuses.append(answer.status_code)
            if answer.status_code == 200:
                break
            time.sleep(0.05)
        else:
            raise AssertionError("it did not come back")
    counts = {status: statuses.count(status) for status in sorted(set(statuses))}
    return f"answers {counts}; every 503 with Retry-After"


CASES: dict[str, Callable[[RunningService], str]] = {
    "a poison job": poison,
    "a cancelled job": cancelled,
    "a damaged file": damaged,
    "a full disk": full_disk,
    "a restart": restart,
}


def await_warm(service: RunningService) -> None:
    """Wait for the process that predicts now; one that was killed a moment ago still counts for a while."""

    def is_warm() -> bool:
        workers = service.workers("predict")
        with redis_of(service) as client:
            names = [worker.name for worker in WorkerRegistry(client).present().get("predict", [])]
        return len(workers) == 2 and any(name.endswith(f":{workers[1].pid}") for name in names)

    soon(lambda: service.is_ready() and is_warm(), 120)


def redis_of(service: RunningService) -> redis.Redis:
    """The Redis of a service, on its socket."""
    return redis.Redis(unix_socket_path=str(service.home / "run/redis.sock"), decode_responses=True)


def _queued(service: RunningService, architecture: dict[str, Any]) -> dict[str, Any]:
    """A new job, which nobody waits for."""
    body = {"architecture": architecture, "output": "tiles"}
    answer = service.post("/predict-weights", body, Prefer="respond-async")
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def _answered(service: RunningService) -> dict[str, Any]:
    """The end of a small job, through restarts of the worker."""
    body = {"architecture": cell(random.Random(_rng.random())), "output": "tiles"}

    def accepted() -> httpx.Response | None:
        answer = service.post("/predict-weights", body, Prefer="respond-async")
        return answer if answer.status_code in (200, 202) else None

    return service.final(soon(accepted, 200, 0.3).json()["id"], 200)


def _succeeded(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200 and answer.json()["status"] == "succeeded", answer.text
    return dict(answer.json())


def _kill_whoever_runs(service: RunningService, job_id: str) -> int:
    """Kill the process that works on the job, each time, until the job is final. Returns how often."""
    client, deaths = redis_of(service), 0
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        status, attempts = client.hmget(f"wc:job:{job_id}", "status", "attempts")
        if status not in ("queued", "running"):
            break
        token = client.get(f"wc:lease:{job_id}")
        if token and int(attempts or 0) == deaths + 1 <= ATTEMPTS:
            os.kill(int(token.split("/")[-2]), signal.SIGKILL)
            deaths += 1
        time.sleep(0.001)
    client.close()
    return deaths


@contextmanager
def _no_room(service: RunningService) -> Iterator[None]:
    """Files of the API and of the worker's child cannot grow beyond a few bytes."""
    processes = [service.workers("predict")[1], _api_of(service)]
    before = [process.rlimit(psutil.RLIMIT_FSIZE) for process in processes]
    try:
        for process, (_, hard) in zip(processes, before, strict=True):
            process.rlimit(psutil.RLIMIT_FSIZE, (16, hard))
        yield
    finally:
        for process, limits in zip(processes, before, strict=True):
            process.rlimit(psutil.RLIMIT_FSIZE, limits)


def _api_of(service: RunningService) -> psutil.Process:
    return next(p for p in service.children() if "service.api.server" in " ".join(command_of(p)))


def _redis_process(service: RunningService) -> psutil.Process:
    return next(p for p in service.children() if "redis-server" in p.name())
