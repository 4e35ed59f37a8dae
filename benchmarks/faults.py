"""What a service keeps of its promises while its parts are killed.

    python -m benchmarks.faults [--only cases|storm] [--jobs 500] [--every 3] [--json FILE]

Starts a service of its own, sends mixed jobs from eight callers, and hits one of its processes every few
seconds: the worker of predictions and its child, the worker of trainings, a training process, the API, Redis.
Then the same jobs go to a service that is left alone, and the answers are compared. A job is `lost` when it
reaches no final state, `wrong` when its answer differs, `twice` when it ended more than once. `back` is how
long the part that was hit took until it worked again.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from benchmarks.fault_cases import CASES, redis_of
from benchmarks.fault_requests import FINAL, Call, Caller, essence, mixed_calls
from benchmarks.served import RunningService, command_of, end, soon, start
from service.contract.kinds import KINDS
from service.store.workers import WorkerRegistry

CALLERS = 8
_BACK_SECONDS = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--every", type=float, default=3.0, help="seconds from a recovery to the next hit")
    parser.add_argument("--only", choices=["cases", "storm"], help="single faults, or mixed jobs amid many")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: dict[str, Any] = {}
    if options.only != "storm":
        rows["cases"] = single_faults()
    if options.only != "cases":
        rows["storm"] = storm(mixed_calls(options.jobs), options.every)
        print_storm(rows["storm"])
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def single_faults() -> dict[str, str]:
    """What came of each, printed as it comes."""
    outcomes: dict[str, str] = {}
    print("| fault | what came of it |\n| --- | --- |")
    with own_service() as service:
        for name, case in CASES.items():
            outcomes[name] = case(service)
            print(f"| {name} | {outcomes[name]} |", flush=True)
    return outcomes


@contextmanager
def own_service(**options: str) -> Iterator[RunningService]:
    with tempfile.TemporaryDirectory(prefix="weightcast-faults-") as folder:
        choices = {"default_model": "ghn2-cifar10", "lease_seconds": "30", "log_format": "json", **options}
        service = start(Path(folder) / "home", **choices)
        try:
            yield service
        finally:
            end(service)


def storm(calls: list[Call], every: float) -> dict[str, Any]:
    """Send the calls while parts are hit; then compare with a service that is left alone."""
    with own_service() as service:
        caller, over = Caller(service), threading.Event()
        hitter = Hitter(service, every, over)
        thread = threading.Thread(target=hitter.run)
        thread.start()
        started = time.monotonic()
        with ThreadPoolExecutor(CALLERS) as pool:
            ids = list(pool.map(caller.accepted, calls))
            jobs = list(pool.map(caller.final, ids))
        over.set()
        thread.join()
        seconds = time.monotonic() - started
        endings = [_endings(service, job_id) for job_id in ids]
        reruns = _reruns(service, hitter.moments)
        log = service.log.read_text()
    exact = [number for number, call in enumerate(calls) if call.is_exact]
    with own_service() as calm, ThreadPoolExecutor(CALLERS) as pool:
        quiet = Caller(calm)
        expected = list(pool.map(lambda number: quiet.final(quiet.accepted(calls[number])), exact))
    differing = [
        calls[number].kind
        for number, there in zip(exact, expected, strict=True)
        if (job := jobs[number]) is not None and there is not None and essence(job) != essence(there)
    ]
    failed = [job for job in jobs if job is not None and job["status"] != "succeeded"]
    return {
        "jobs": len(calls),
        "seconds": round(seconds, 1),
        "faults": sum(len(times) for times in hitter.back.values()),
        "lost": sum(job is None for job in jobs),
        "wrong": differing,
        "twice": sum(count > 1 for count in endings),
        "failed": [(job["kind"], job["error"]["type"].rpartition("/")[2]) for job in failed if job["error"]],
        "answers": {str(status): count for status, count in sorted(caller.answers.items())},
        "503 without Retry-After": caller.unkind,
        "run again": len(reruns),
        "run again, longest after": round(max(reruns, default=0.0), 1),
        "back": {name: [round(value, 2) for value in times] for name, times in hitter.back.items()},
        "crashes in the log": log.count('"request.crashed"'),
    }


class Hitter:
    """Hits one part after the other and waits until it works again."""

    def __init__(self, service: RunningService, every: float, over: threading.Event) -> None:
        self.service, self.every, self.over = service, every, over
        self.moments: list[float] = []
        self.back: dict[str, list[float]] = {}
        self._rng = random.Random(1)
        self._redis = redis_of(service)

    def run(self) -> None:
        while not self.over.wait(self.every):
            name, find, number = self._rng.choice(PARTS)
            victim = find(self.service)
            if victim is None:
                continue
            before = self._workers()
            hit = time.monotonic()
            self.moments.append(time.time())
            victim.send_signal(number)
            soon(partial(self._is_back, victim, before), _BACK_SECONDS)
            self.back.setdefault(name, []).append(time.monotonic() - hit)

    def _is_back(self, victim: psutil.Process, before: set[str]) -> bool:
        """The victim is gone, and the service is ready with workers that are not those which went with it."""
        if victim.is_running() and victim.status() != psutil.STATUS_ZOMBIE:
            return False
        if not self.service.is_ready():
            return False
        workers = self._workers()
        return bool(workers) and (bool(workers - before) or workers == before)

    def _workers(self) -> set[str]:
        """Names of the warm workers of predictions that live. A record outlives its worker by seconds."""
        try:
            present = WorkerRegistry(self._redis).present().get("predict", [])
        except Exception:  # it is Redis that was hit
            return set()
        return {worker.name for worker in present if psutil.pid_exists(int(worker.name.rpartition(":")[2]))}


def _named(queue: str, place: int) -> Callable[[RunningService], psutil.Process | None]:
    def find(service: RunningService) -> psutil.Process | None:
        workers = service.workers(queue)
        return workers[place] if len(workers) > place else None

    return find


def _running(text: str) -> Callable[[RunningService], psutil.Process | None]:
    def find(service: RunningService) -> psutil.Process | None:
        return next((p for p in service.children() if text in " ".join(command_of(p))), None)

    return find


PARTS: list[tuple[str, Callable[[RunningService], psutil.Process | None], signal.Signals]] = [
    ("predict worker's child, SIGKILL", _named("predict", 1), signal.SIGKILL),
    ("predict worker, SIGKILL", _named("predict", 0), signal.SIGKILL),
    ("predict worker, SIGTERM", _named("predict", 0), signal.SIGTERM),
    ("training worker, SIGKILL", _named("training", 0), signal.SIGKILL),
    ("training process, SIGKILL", _running(KINDS["ghn"].run), signal.SIGKILL),
    ("API, SIGKILL", _running("service.api.server"), signal.SIGKILL),
    ("Redis, SIGKILL", _running("redis-server"), signal.SIGKILL),
]


def _endings(service: RunningService, job_id: str) -> int:
    """How often the job ended, by its own events."""
    with redis_of(service) as client:
        events = [fields for _, fields in client.xrange(f"wc:events:{job_id}")]
    states = [json.loads(fields["data"])["status"] for fields in events if fields["type"] == "state"]
    return sum(state in FINAL for state in states)


def _reruns(service: RunningService, moments: list[float]) -> list[float]:
    """Seconds from the hit that interrupted a job until the job ran again."""
    waits: list[float] = []
    for text in service.log.read_text().splitlines():
        if '"job.started"' not in text:
            continue
        line = json.loads(text)
        if line.get("attempt", 1) > 1:
            at = datetime.fromisoformat(line["timestamp"]).timestamp()
            waits.extend([at - max(moment for moment in moments if moment < at)] if moments else [])
    return waits


def print_storm(outcome: dict[str, Any]) -> None:
    print("\n| of the jobs | |\n| --- | --- |")
    for name, value in outcome.items():
        if name != "back":
            print(f"| {name} | {value if value != [] else 0} |")
    print("\n| part | times | back, median s | longest s |\n| --- | --- | --- | --- |")
    for name, times in outcome["back"].items():
        print(f"| {name} | {len(times)} | {statistics.median(times):.1f} | {max(times):.1f} |")


if __name__ == "__main__":
    main()
