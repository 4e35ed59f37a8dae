"""Wrong requests through a live service: is every answer an answer?

    python -m benchmarks.mutations [--count 100000] [--seconds 300] [--seed 0] [--json FILE]

Starts a service of its own and sends mutated requests (mutated_requests.py) from eight threads, so many or
for so long. Counted are answers of 5xx (503 with Retry-After by itself: the service is busy), requests that
took longer than five seconds beyond the wait that they asked for, requests without an answer, failures in
the log, and the memory of the API and of the worker, before and after. Every minute a line on standard error
says how far it is.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from benchmarks.faults import own_service
from benchmarks.mutated_requests import Mutator
from benchmarks.served import RunningService, command_of, soon

THREADS = 8
SLOW_SECONDS = 5.0
_WAIT_SECONDS_OF_REQUESTS = 2.0
_PATIENCE_SECONDS = 60.0
_SECONDS_BETWEEN_LINES = 60.0


@dataclass(slots=True)
class Tally:
    """What came of the requests, by kind and status.

    busy: what came with 503. strange: the first few answers that are worth a look.
    """

    answers: dict[str, Counter[str]] = field(default_factory=dict)
    slow: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    busy: Counter[str] = field(default_factory=Counter)
    strange: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def count(self) -> int:
        return sum(sum(counter.values()) for counter in self.answers.values())

    def add(self, kind: str, status: str, seconds: float, request: bytes, detail: str) -> None:
        with self.lock:
            self.answers.setdefault(kind, Counter())[status] += 1
            self.slowest = max(self.slowest, seconds)
            is_slow = seconds > SLOW_SECONDS + _WAIT_SECONDS_OF_REQUESTS
            self.slow[kind] += is_slow
            if status == "503":
                self.busy[detail.partition('"detail":"')[2].partition('"')[0][:90]] += 1
            is_strange = is_slow or status == "none" or (status.startswith("5") and status != "503")
            if is_strange and len(self.strange) < 50:
                head = request[:2000].decode("latin-1")
                self.strange.append(
                    {"kind": kind, "status": status, "s": seconds, "head": head, "detail": detail}
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with own_service(queue_limit="100000", queued_jobs_per_key="100000") as service:
        warm = _memory(service)
        tally = send_all(service, options.count, options.seconds, options.seed)
        soon(service.is_ready)
        after, log = _memory(service), service.log.read_text().splitlines()
    crashes = [text for text in log if '"request.crashed"' in text or '"request.failed"' in text]
    failures = [text for text in log if '"job.failed"' in text]
    print("| input | requests | 2xx | 4xx | 503 | other 5xx | no answer | over 5 s |\n|" + " --- |" * 8)
    for kind, counter in sorted(tally.answers.items()):
        by = Counter[str]()
        for status, count in counter.items():
            by[status if status in ("503", "none") else f"{status[0]}xx"] += count
        row = [by["2xx"], by["3xx"] + by["4xx"], by["503"], by["5xx"], by["none"], tally.slow[kind]]
        print(f"| {kind} | {sum(counter.values())} | " + " | ".join(map(str, row)) + " |")
    print(f"\n{tally.count:,} requests, the slowest {tally.slowest:.1f} s")
    print("reasons of 503: " + ", ".join(f"{text} ({count})" for text, count in tally.busy.most_common()))
    print(f"in the log: {len(crashes)} crashed requests, {len(failures)} jobs that failed by our own fault")
    print("memory in MiB: " + ", ".join(f"{name} {warm[name]} to {after[name]}" for name in warm))
    if options.json:
        report = {"strange": tally.strange, "crashes": crashes[:30], "failures": failures[:30]}
        options.json.write_text(json.dumps(report, indent=1))


def send_all(service: RunningService, count: int, seconds: float, seed: int) -> Tally:
    """Send about so many mutated requests, for so long at most."""
    tally = Tally()
    openapi = service.get("/openapi.json").json()
    deadline = time.monotonic() + seconds

    def send(thread: int) -> None:
        mutator = Mutator(openapi, seed * THREADS + thread)
        while tally.count < count and time.monotonic() < deadline:
            one(service, *mutator.request(), tally)

    with ThreadPoolExecutor(THREADS) as pool:
        threads = [pool.submit(send, thread) for thread in range(THREADS)]
        while wait(threads, _SECONDS_BETWEEN_LINES).not_done:
            left = max(deadline - time.monotonic(), 0.0)
            print(f"{tally.count:,} requests, at most {left:.0f} s left", file=sys.stderr, flush=True)
        for thread in threads:
            thread.result()
    return tally


def one(service: RunningService, kind: str, request: bytes, tally: Tally) -> None:
    """Send one request and note what came of it; what it started is cancelled."""
    address = urlsplit(service.url)
    started, status, body = time.monotonic(), "none", b""
    try:
        place = (address.hostname or "", address.port or 0)
        with socket.create_connection(place, timeout=_PATIENCE_SECONDS) as sock:
            sock.sendall(request)
            answer = http.client.HTTPResponse(sock, method=request.split(b" ", 1)[0].decode("latin-1"))
            answer.begin()
            status, body = str(answer.status), answer.read(10_000)
            if status == "503" and answer.getheader("Retry-After") is None:
                status = "500"
    except (OSError, http.client.HTTPException) as error:
        body = repr(error).encode()
    tally.add(kind, status, time.monotonic() - started, request, body[:1000].decode("latin-1"))
    if status == "202":
        _cancel(service, body)


def _cancel(service: RunningService, body: bytes) -> None:
    try:
        httpx.delete(
            f"{service.url}/jobs/{json.loads(body)['id']}", timeout=_PATIENCE_SECONDS, trust_env=False
        )
    except (httpx.HTTPError, ValueError, KeyError):
        return


def _memory(service: RunningService) -> dict[str, int]:
    """Resident MiB of the API and of the process that predicts."""
    api = next(p for p in service.children() if "service.api.server" in " ".join(command_of(p)))
    report = {"API": api, "worker": service.workers("predict")[1]}
    return {name: _resident(process) for name, process in report.items()}


def _resident(process: psutil.Process) -> int:
    return int(process.memory_info().rss / 2**20)


if __name__ == "__main__":
    main()
