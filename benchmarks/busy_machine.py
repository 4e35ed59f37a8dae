"""What other busy programs on the machine do to predictions and fine-tuning, by how waiting threads wait.

    python -m benchmarks.busy_machine [--programs 4] [--repeats 15] [--threads 2]

Predicts ResNet-50 and takes steps of SGD on it (8 images of 32x32), with one thread an operator and with
several, which wait as OpenMP lets them by default and as Weightcast does (`service/kit/openmp.py`), alone and
beside programs that compute on small matrices all the time. Milliseconds, medians. Each row is measured in
processes of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from benchmarks.performance.clock import wall_seconds
from service.kit.openmp import WAITING

_BUSY = "import torch; torch.set_num_threads(1); a = torch.ones(64, 64)\nwhile True: a = (a @ a).clamp(max=1)"
_WAYS: dict[str, tuple[bool, dict[str, str]]] = {
    "one thread": (False, {}),
    "several, OpenMP's default": (True, {}),
    "several, as Weightcast": (True, dict(WAITING)),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", type=int, default=4, help="busy programs")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.measure:
        print(*_measured(options.threads, options.repeats))
        return
    print(
        f"| threads | predict, alone | beside {options.programs} | train, alone | beside {options.programs} |"
    )
    print("| --- | --- | --- | --- | --- |")
    for label, (several, environment) in _WAYS.items():
        threads = options.threads if several else 1
        alone = _row(threads, options.repeats, environment)
        with _busy(options.programs):
            beside = _row(threads, options.repeats, environment)
        cells = (cell for pair in zip(alone, beside, strict=True) for cell in pair)
        print(f"| {label} | {' | '.join(cells)} |", flush=True)


def _row(threads: int, repeats: int, environment: dict[str, str]) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.busy_machine", "--measure"]
    command += ["--threads", str(threads), "--repeats", str(repeats)]
    clean = {name: value for name, value in os.environ.items() if name not in WAITING}
    return subprocess.run(
        command, env={**clean, **environment}, check=True, capture_output=True, text=True
    ).stdout.split()


@contextmanager
def _busy(programs: int) -> Iterator[None]:
    running = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(programs)]
    time.sleep(5)  # until they have loaded torch
    try:
        yield
    finally:
        for program in running:
            program.kill()
            program.wait()


def _measured(threads: int, repeats: int) -> list[str]:
    import torch

    from service.ghn.registry import load_model
    from service.graph_io.torch_tracer import trace_torchvision

    torch.set_num_threads(threads)
    model, graph = load_model("ghn2-cifar10"), trace_torchvision("resnet50")
    actions = (lambda: model.predict(graph), _training_step())
    return [f"{1e3 * wall_seconds(action, repeats):.0f}" for action in actions]


def _training_step() -> Callable[[], object]:
    import torch
    import torchvision

    network = torchvision.models.resnet50(num_classes=10)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    images = torch.ones(8, 3, 32, 32)

    def step() -> None:
        optimizer.zero_grad()
        network(images).logsumexp(1).sum().backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
