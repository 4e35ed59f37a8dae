"""How fast an answer is: `python -m benchmarks.speed [--url URL] [--json FILE]`; and how long each kind of
GHN takes, `python -m benchmarks.speed --kinds --threads 1`, in time of the processor, which other work on the
machine changes less.

In process: tracing a module, predicting blocks ("tiles"), and expanding them to a full state dict. With
--url also through a running service, uncached and cached. Medians. `python -m benchmarks.performance` says
where the time goes.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision

from service.client import Client
from service.ghn.config import GHN1_CIFAR10, GHN2_CIFAR10, GHN3_CIFAR10, MLP_CIFAR10, GHNConfig
from service.ghn.model import GHN
from service.ghn.predict import node_states, predict_blocks
from service.ghn.registry import load_model
from service.graph_io.primitives import to_primitives
from service.graph_io.torch_tracer import trace

KINDS = {
    "MLP": MLP_CIFAR10,
    "GHN-1": GHN1_CIFAR10,
    "GHN-2": GHN2_CIFAR10,
    "GHN-2, width 64": GHNConfig(hidden=64),
    "GHN-3, width 64, 3 layers": GHN3_CIFAR10,
}
NETWORKS = ("resnet50", "densenet121")


def median_seconds(
    action: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    action()
    times = []
    for _ in range(repeats):
        start = clock()
        action()
        times.append(clock() - start)
    return statistics.median(times)


def measure_in_process(name: str, model: str, repeats: int, device: str) -> dict[str, float]:
    module = torchvision.models.get_model(name)
    loaded = load_model(model, device)
    graph = trace(module)
    blocks = loaded.predict(graph)
    return {
        "graph": median_seconds(lambda: trace(module), repeats),
        "predict": median_seconds(lambda: loaded.predict(graph), repeats),
        "expand": median_seconds(blocks.expand, repeats),
        "to_tiles": median_seconds(lambda: loaded.predict(trace(module)), repeats),
        "to_state_dict": median_seconds(lambda: loaded.predict(trace(module)).expand(), repeats),
    }


def measure_service(name: str, model: str, url: str, repeats: int) -> dict[str, float]:
    """A fresh network each time (its number of classes differs) is computed; the same again comes from the
    cache."""
    # Built before the clock starts.
    fresh = iter([torchvision.models.get_model(name, num_classes=20 + n) for n in range(repeats + 1)])
    module = torchvision.models.get_model(name)
    with Client(url) as client:

        def uncached() -> None:
            client.predict_weights(next(fresh), model=model)

        def cached() -> None:
            client.predict_weights(module, model=model)

        def cached_state_dict() -> None:
            client.predict_weights(module, model=model).state_dict()

        return {
            "http_uncached": median_seconds(uncached, repeats),
            "http_cached": median_seconds(cached, repeats),
            "http_cached_state_dict": median_seconds(cached_state_dict, repeats),
        }


def measure_kinds(repeats: int) -> dict[str, dict[str, float]]:
    """Processor seconds of node states, and of a prediction, for each network, by kind of GHN. Weights are
    random.
    """

    def seconds(action: Callable[[], object]) -> float:
        return median_seconds(action, repeats, time.process_time)

    results: dict[str, dict[str, float]] = {}
    for kind, config in KINDS.items():
        torch.manual_seed(0)
        ghn = GHN(config).requires_grad_(False).eval()
        results[kind] = {}
        for name in NETWORKS:
            graph = trace(torchvision.models.get_model(name))
            primitives = to_primitives(graph)
            results[kind] |= {
                f"{name} states": seconds(functools.partial(node_states, ghn, primitives)),
                f"{name} predict": seconds(functools.partial(predict_blocks, ghn, graph)),
            }
    return results


def kinds_table(results: dict[str, dict[str, float]]) -> str:
    columns = list(next(iter(results.values())))
    lines = [
        "| kind | " + " | ".join(f"{column} ms" for column in columns) + " |",
        "|" + " --- |" * (len(columns) + 1),
    ]
    for kind, seconds in results.items():
        cells = [f"{1000 * seconds[column]:.1f}" for column in columns]
        lines.append("| " + " | ".join([kind, *cells]) + " |")
    return "\n".join(lines)


def table(results: dict[str, dict[str, float]]) -> str:
    columns = list(next(iter(results.values())))
    lines = [
        "| network | " + " | ".join(f"{column} ms" for column in columns) + " |",
        "|" + " --- |" * (len(columns) + 1),
    ]
    for name, result in results.items():
        cells = [f"{1000 * result[column]:.1f}" for column in columns]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="ghn2-cifar10")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--device", default="cpu", help="where weights are decoded: cpu, cuda, cuda:N or auto"
    )
    parser.add_argument("--url", help="also measure a running service")
    parser.add_argument("--kinds", action="store_true", help="each kind of GHN instead, on the CPU")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.kinds:
        results = measure_kinds(options.repeats)
        print(kinds_table(results))
    else:
        results = measure_answers(options)
        print(table(results))
    if options.json:
        document: dict[str, Any] = {
            "threads": options.threads,
            "device": options.device,
            "torch": torch.__version__,
            "seconds": results,
        }
        options.json.write_text(json.dumps(document, indent=2) + "\n")


def measure_answers(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    results: dict[str, dict[str, float]] = {}
    for name in NETWORKS:
        results[name] = measure_in_process(name, options.model, options.repeats, options.device)
        if options.url:
            results[name] |= measure_service(name, options.model, options.url, options.repeats)
    return results


if __name__ == "__main__":
    main()
