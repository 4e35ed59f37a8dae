"""The tables of docs/performance.md: `python -m benchmarks.performance [--only PART ...] [--repeats 9]`.

How much work a path is, the least that it could take on this machine, and what it takes. Times are medians of
the processor's, on one core, except where a whole service is measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch

from benchmarks.performance import machine, many, networks, scale, serving, traced
from service.ghn.registry import load_model

_PARTS = ("machine", "networks", "many", "traced", "scale", "service")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=_PARTS)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--model", default="ghn2-cifar10")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(options.model)
    this = machine.measure(options.repeats)
    reports: dict[str, Callable[[], str]] = {
        "machine": lambda: machine.report(this),
        "networks": lambda: networks.report(model, this, options.repeats),
        "many": lambda: many.report(model),
        "traced": lambda: traced.report(options.repeats),
        "scale": scale.report,
        "service": lambda: serving.report(options.repeats),
    }
    for part in options.only:
        print(f"{reports[part]()}\n", flush=True)


if __name__ == "__main__":
    main()
