"""Fifty callers at once: how long each waits, and what the service keeps of their jobs in memory.

    python -m benchmarks.load [--clients 50] [--seconds 60] [--jobs 5000] [--json FILE]

Starts a service of its own. First all callers ask for known networks, then for networks that nobody asked
for, then for rankings of thirty cells each, so long each; a caller sends its next request when it has the
answer to the one before. An `error` is any other answer than 200. Then new networks until so many jobs have
run, with the memory of the processes after each fifth of them.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from benchmarks.fault_requests import cell
from benchmarks.faults import own_service
from benchmarks.performance.clock import seconds_of
from benchmarks.served import RunningService, command_of

Body = tuple[str, dict[str, Any]]
_WIDTHS = range(8, 200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rng = random.Random(0)
    fresh = new_networks()
    known = [next(fresh) for _ in range(20)]
    kinds: dict[str, Callable[[], Body]] = {
        "known networks": lambda: rng.choice(known),
        "new networks": lambda: next(fresh),
        "rankings of 30 cells": lambda: (
            "/rank-architectures",
            {"architectures": [cell(rng) for _ in range(30)]},
        ),
    }
    rows: dict[str, Any] = {}
    columns = "answers a second | p50 ms | p95 ms | p99 ms | errors | ms of a core: API | worker | Redis"
    print(f"| requests | {columns} |\n|" + " --- |" * 9)
    with own_service() as service:
        for path, body in known:
            service.post(path, body, Prefer="wait=60").raise_for_status()
        for name, make in kinds.items():
            before = {part: seconds_of([process]) for part, process in parts(service).items()}
            times, errors = asyncio.run(load(service.url, make, options.clients, options.seconds))
            p50, p95, p99 = np.percentile(np.array(times) * 1e3, [50, 95, 99])
            rows[name] = {"n": len(times), "p50": p50, "p95": p95, "p99": p99, "errors": errors}
            rate = len(times) / options.seconds
            used = [
                f"{1e3 * (seconds_of([process]) - before[part]) / len(times):.1f}"
                for part, process in parts(service).items()
            ]
            cells = (f"{rate:.0f}", f"{p50:.0f}", f"{p95:.0f}", f"{p99:.0f}", str(len(errors)), *used)
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
        print("\n| jobs | " + " | ".join(f"{name} MiB" for name in memory(service)) + " |\n|" + " --- |" * 4)
        rows["memory"] = []
        for part in range(6):
            if part:
                batch = list(itertools.islice(fresh, options.jobs // 5))
                asyncio.run(run_all(service.url, batch, options.clients))
            sizes = memory(service)
            rows["memory"].append(sizes)
            print(
                f"| {part * (options.jobs // 5)} | " + " | ".join(map(str, sizes.values())) + " |", flush=True
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def new_networks() -> Iterator[Body]:
    """Small networks, none like another, as tiles."""
    for wide, narrow, classes in itertools.product(_WIDTHS, _WIDTHS, range(2, 12)):
        yield "/predict-weights", {"architecture": network(wide, narrow, classes), "output": "tiles"}


def network(wide: int, narrow: int, classes: int) -> dict[str, Any]:
    """Two convolutions and a linear layer."""

    def weight(name: str, *shape: int) -> dict[str, Any]:
        return {"weight": {"name": f"{name}.weight", "shape": list(shape)}}

    nodes = [
        {"name": "x", "op": "input"},
        {"name": "one", "op": "conv", "inputs": ["x"], "params": weight("one", wide, 3, 3, 3)},
        {"name": "two", "op": "conv", "inputs": ["one"], "params": weight("two", narrow, wide, 3, 3)},
        {"name": "pool", "op": "global_avg_pool", "inputs": ["two"]},
        {"name": "flat", "op": "flatten", "inputs": ["pool"]},
        {"name": "fc", "op": "linear", "inputs": ["flat"], "params": weight("fc", classes, narrow)},
    ]
    return {"format": "graph", "input_shape": [3, 32, 32], "nodes": nodes}


async def load(
    url: str, make: Callable[[], Body], clients: int, seconds: float
) -> tuple[list[float], list[str]]:
    """Seconds of every request of so many callers, and the answers that were not 200."""
    times: list[float] = []
    errors: list[str] = []
    deadline = time.monotonic() + seconds

    async def call() -> None:
        async with _client(url) as client:
            while time.monotonic() < deadline:
                started = time.monotonic()
                status = await _ask(client, *make())
                times.append(time.monotonic() - started)
                if status != "200":
                    errors.append(status)

    await asyncio.gather(*(call() for _ in range(clients)))
    return times, errors


async def run_all(url: str, bodies: list[Body], clients: int) -> None:
    """Ask for each of them. Raises AssertionError for an answer that is not 200."""
    waiting = iter(bodies)

    async def call() -> None:
        async with _client(url) as client:
            for path, body in waiting:
                status = await _ask(client, path, body)
                assert status == "200", status

    await asyncio.gather(*(call() for _ in range(clients)))


def _client(url: str) -> httpx.AsyncClient:
    """Of one caller: httpx looks at all connections of a client at every request, and with fifty of them took
    more of the processor than the service did.
    """
    return httpx.AsyncClient(base_url=url, timeout=120, trust_env=False, verify=False)


async def _ask(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> str:
    try:
        answer = await client.post(path, json=body, headers={"Prefer": "wait=60"})
    except httpx.HTTPError as error:
        return repr(error)
    return str(answer.status_code)


def parts(service: RunningService) -> dict[str, psutil.Process]:
    """The API, the process that predicts, and Redis."""
    named = {" ".join(command_of(process)): process for process in service.children()}

    def running(text: str) -> psutil.Process:
        return next(process for name, process in named.items() if text in name)

    return {
        "API": running("service.api.server"),
        "worker": service.workers("predict")[1],
        "Redis": running("redis-server"),
    }


def memory(service: RunningService) -> dict[str, int]:
    """Resident MiB."""
    return {name: round(part.memory_info().rss / 2**20) for name, part in parts(service).items()}


if __name__ == "__main__":
    main()
