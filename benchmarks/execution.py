"""Which networks are run as torch runs them: every classification model of torchvision, and timm's families.

    python -m benchmarks.execution [NAME ...] [--torchvision] [--timm] [--images N] [--json FILE]

For each network, with random weights: it is traced, its graph is run on random images with the module's own
parameters in float64, and the largest difference to the module's output is divided by the largest output.
Batch norms use the statistics of the batch on both sides. A network is equal (within 1e-4), refused (with
the reason), or different. Exits with status 1 if any is different.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from benchmarks.coverage import build, network_options, networks
from service.errors import ServiceError
from service.executor.checked import relative_difference
from service.executor.networks import Network
from service.graph_io.torch_tracer import trace
from service.graph_io.torch_tracing.samples import in_batch_statistics

TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Row:
    """outcome: equal, refused, different or failed. difference: relative to the largest output."""

    network: str
    outcome: str
    difference: float = 0.0
    reason: str = ""


def measure(name: str, images: int) -> Row:
    """name: "torchvision:NAME" or "timm:NAME"."""
    model = in_batch_statistics(build(name)).double()
    graph = trace(model, runnable=True)
    try:
        network = Network(graph)
    except ServiceError as refusal:
        return Row(name, "refused", reason=refusal.detail)
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(images, *graph.input_shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        result = network(pictures, dict(model.named_parameters()))
        expected = _logits(model(pictures))
    if result.shape != expected.shape:
        return Row(name, "different", float("inf"), f"{tuple(result.shape)} for {tuple(expected.shape)}")
    difference = relative_difference(result, expected)
    return Row(name, "equal" if difference < TOLERANCE else "different", difference)


def _logits(output: object) -> Tensor:
    if isinstance(output, Tensor):
        return output.float()
    first = next(iter(output.values() if isinstance(output, dict) else output))  # type: ignore[call-overload]
    return _logits(first)


def main(argv: list[str] | None = None) -> int:
    parser = network_options(__doc__)
    parser.add_argument("--images", type=int, default=2, help="images in a batch (2)")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    rows = []
    for name in networks(options):
        try:
            row = measure(name, options.images)
        except Exception as failure:  # a sweep goes on and counts what failed
            row = Row(
                name, "failed", reason=f"{type(failure).__name__}: {' '.join(str(failure).split())[:200]}"
            )
        rows.append(row)
        print(f"{row.outcome:9} {row.difference:9.1e}  {row.network}  {row.reason}", flush=True)
    counts = Counter(row.outcome for row in rows)
    largest = max((row.difference for row in rows if row.outcome == "equal"), default=0.0)
    print(f"{len(rows)} networks: {dict(counts)}; largest difference of the equal ones {largest:.1e}")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2))
    return 1 if counts["different"] or counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
