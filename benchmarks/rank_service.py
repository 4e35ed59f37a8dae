"""Ranking 10,000 NAS-Bench-201 cells in one call of a service: seconds, and the memory of its processes.

    python -m benchmarks.rank_service [--table nasbench201.csv.gz] [--cells 10000] [--observed 200]
    [--json FILE]

Starts a service of its own in a temporary folder, on this machine. A row is a call: `first` is a list that
the worker has never seen, `same list` another question (the order) about it, `half new` a list of which the
worker has seen half, `same call` the first call again, which is answered without a worker. `CPU s` is the
time that all processes of the service computed, whatever else the machine did meanwhile; memory is the
largest resident size of the processes during the call.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.performance.clock import seconds_of
from benchmarks.rank_cells import read_table, shared_table
from service.client import Client, Ranking

_PARTS = {"API": "service.api.server", "worker": "predict", "Redis": "redis-server"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--table", type=Path, default=shared_table("nasbench201/nasbench201.csv.gz"))
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--observed", type=int, default=200, help="cells that the predictor is fitted on")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table = read_table(options.table)
    random.Random(0).shuffle(table)
    cells = [{"format": "nasbench201", "cell": row["arch_str"]} for row in table]
    many, rest = cells[: options.cells], cells[options.cells :]
    half = [*many[: options.cells // 2], *rest[: options.cells // 2]]
    observations = [(cell, float(row["cifar10_test_200ep"])) for cell, row in zip(cells, table, strict=True)][
        -options.observed :
    ]

    print(f"{len(many):,} cells of NAS-Bench-201 in one call; half new: {len(half):,}")
    rows: list[dict[str, Any]] = []
    with _service() as (url, process), Client(url, timeout=None) as client:
        fitted, seconds, _ = _measured(process, lambda: client.fit_predictor(observations, name="fitted"))
        print(
            f"fitted on {fitted.n} observations in {seconds[0]:.1f} s ({seconds[1]:.1f} s of CPU), "
            f"cross-validated tau {fitted.kendall_tau_cv:.3f}"
        )
        print(f"{'predictor':12}{'call':12}{'seconds':>9}{'CPU s':>8}{'ranked':>9}{'skipped':>9}" + _heads())
        for predictor in ("structure", "fitted"):
            calls: dict[str, tuple[list[dict[str, Any]], Any]] = {
                "first": (many, "descending"),
                "same list": (many, "ascending"),
                "half new": (half, "descending"),
                "same call": (many, "descending"),
            }
            for name, (request, order) in calls.items():
                ranking, seconds, peaks = _measured(process, _call(client, request, predictor, order))
                counts = len(ranking.ranking), len(ranking.skipped)
                wall, cpu = seconds
                rows.append(
                    {"predictor": predictor, "call": name, "seconds": wall, "cpu_seconds": cpu, "mib": peaks}
                )
                print(
                    f"{predictor:12}{name:12}{wall:>9.2f}{cpu:>8.2f}{counts[0]:>9}{counts[1]:>9}"
                    + "".join(f"{peaks[part]:>12.0f}" for part in _PARTS),
                    flush=True,
                )
    if options.json is not None:
        options.json.write_text(json.dumps({"cells": len(many), "rows": rows}, indent=2) + "\n")


def _heads() -> str:
    return "".join(f"{part + ' MiB':>12}" for part in _PARTS)


def _call(client: Client, request: list[dict[str, Any]], predictor: str, order: Any) -> Callable[[], Ranking]:
    return lambda: client.rank_architectures(request, predictor=predictor, order=order)


def _measured(
    process: psutil.Process, work: Callable[[], Any]
) -> tuple[Any, tuple[float, float], dict[str, float]]:
    """What `work` gives, its seconds on the clock and on CPUs, and the largest memory of each part of the
    service meanwhile, in MiB.
    """
    peaks = dict.fromkeys(_PARTS, 0.0)
    done = threading.Event()

    def watch() -> None:
        while True:
            for part, size in _memory(process).items():
                peaks[part] = max(peaks[part], size / 2**20)
            if done.wait(0.05):
                return

    def computing() -> float:
        return seconds_of(process.children(recursive=True))

    watcher = threading.Thread(target=watch)
    watcher.start()
    started, computed = time.perf_counter(), computing()
    try:
        answer = work()
        return answer, (time.perf_counter() - started, computing() - computed), peaks
    finally:
        done.set()
        watcher.join()


def _memory(process: psutil.Process) -> dict[str, int]:
    """Bytes by part: all its processes together."""
    totals = dict.fromkeys(_PARTS, 0)
    for child in process.children(recursive=True):
        try:
            command = " ".join(child.cmdline())
            size = child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
        for part, mark in _PARTS.items():
            if mark in command:
                totals[part] += size
    return totals


@contextmanager
def _service() -> Iterator[tuple[str, psutil.Process]]:
    """A service that is ready; its address and the process above all others."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "WEIGHTCAST_HOME": folder}
        with open(Path(folder) / "serve.log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "serve", "--port", "0"],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            yield _address(process), psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _address(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        if "is ready on " in line:
            return line.split("is ready on ")[1].split()[0]
    raise SystemExit("the service did not start")


if __name__ == "__main__":
    main()
