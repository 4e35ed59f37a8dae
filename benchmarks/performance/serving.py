"""A service of its own: how long it takes to start, what it costs at rest, and how long a caller waits."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import httpx
import psutil
import torchvision

from benchmarks.performance.clock import seconds_of, wall_seconds
from benchmarks.performance.tables import bytes_text, table
from benchmarks.served import RunningService, command_of, end, start
from service.client import Client
from service.contract.scoring import STRUCTURE
from service.graph_io.json_writer import graph_document
from training.data.deepnets import architecture_graph

_REST_SECONDS = 10.0
_NETWORKS, _LISTS = 100, 5
_PARTS = {"API": "service.api.server", "Redis": "redis-server"}


def report(repeats: int) -> str:
    with tempfile.TemporaryDirectory(prefix="weightcast-performance-") as folder:
        started = time.monotonic()
        service = start(Path(folder) / "home", default_model="ghn2-cifar10")
        ready, computed = time.monotonic() - started, _processor_seconds(service)
        try:
            time.sleep(2)
            rows = [
                ("`weightcast serve` to ready", f"{ready:.1f} s; {computed:.1f} s of the processor"),
                *_rest(service),
                *_calls(service, repeats),
            ]
        finally:
            end(service)
    return table(("", "measured"), rows)


def _rest(service: RunningService) -> Iterator[tuple[str, str]]:
    for name, process in _parts(service).items():
        yield f"{name}, memory at rest", bytes_text(process.memory_info().rss)
    before = _processor_seconds(service)
    time.sleep(_REST_SECONDS)
    share = (_processor_seconds(service) - before) / _REST_SECONDS
    yield "all processes at rest", f"{100 * share:.1f}% of one core"


def _calls(service: RunningService, repeats: int) -> Iterator[tuple[str, str]]:
    # A network is new when its number of classes is. Built before the clock starts.
    networks = [torchvision.models.resnet50(num_classes=20 + index) for index in range(repeats + 1)]
    fresh, known = iter(networks), torchvision.models.resnet50()
    with Client(service.url) as client:
        new = wall_seconds(lambda: client.predict_weights(next(fresh)).state_dict(), repeats)
        cached = wall_seconds(lambda: client.predict_weights(known), repeats)
        document = {"format": "torchvision", "name": "resnet50"}
        named = wall_seconds(lambda: client.predict_weights(document), repeats)
        full = client.predict_weights(document, output="safetensors")
        del full
    url = service.post("/predict-weights", {"architecture": document}, Prefer="wait=60").json()
    path = url["result"]["weights"]["url"]
    size = url["result"]["weights"]["size"]
    loading = wall_seconds(lambda: _download(f"{service.url}{path}"), repeats)
    yield "ResNet-50 as a module, new, to a state dict", f"{1e3 * new:.0f} ms"
    yield "ResNet-50 as a module, known, to tiles", f"{1e3 * cached:.0f} ms"
    yield "ResNet-50 by name, known, to tiles", f"{1e3 * named:.0f} ms"
    yield f"the full file of {bytes_text(size)}", f"{size / loading / 1e9:.2f} GB/s"
    yield from _rankings(service)


def _rankings(service: RunningService) -> Iterator[tuple[str, str]]:
    # Built before the clock starts, one list more than is timed.
    documents = (graph_document(architecture_graph("train", 0, index)) for index in count())
    lists = [list(islice(documents, _NETWORKS)) for _ in range(_LISTS + 1)]
    fresh = iter(lists)
    with Client(service.url) as client:
        new = wall_seconds(lambda: client.rank_architectures(next(fresh), predictor=STRUCTURE), _LISTS)
        known = wall_seconds(lambda: client.rank_architectures(lists[0], predictor=STRUCTURE), _LISTS)
    yield f"{_NETWORKS} DeepNets networks ranked by `{STRUCTURE}`, new", f"{1e3 * new:.0f} ms"
    yield "the same list, known", f"{1e3 * known:.0f} ms"


def _download(url: str) -> None:
    with httpx.stream("GET", url, trust_env=False) as answer:
        for _ in answer.iter_raw():
            pass


def _parts(service: RunningService) -> dict[str, psutil.Process]:
    named = {" ".join(command_of(process)): process for process in service.children()}
    parts = {part: next(p for text, p in named.items() if mark in text) for part, mark in _PARTS.items()}
    return {**parts, "worker that predicts": service.workers("predict")[1]}


def _processor_seconds(service: RunningService) -> float:
    """Of all processes of the service that are alive."""
    return seconds_of((psutil.Process(service.process.pid), *service.children()))
