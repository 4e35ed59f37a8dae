"""Batch-norm statistics as the buffers of the network that somebody described, so that its `eval()` works."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from service.executor.networks import Network
from service.executor.statistics import BatchStatistics


@dataclass(frozen=True)
class RunningStatistics:
    """buffers: `P.running_mean` and `P.running_var` (unbiased) for a batch norm whose weight is `P.weight`:
    so torch names them, and its ONNX exporter keeps that. unnamed: batch norms whose names nothing tells,
    because they own no such weight.
    """

    buffers: dict[str, Tensor]
    unnamed: tuple[str, ...]


def running_statistics(network: Network, statistics: BatchStatistics) -> RunningStatistics:
    """Statistics that were gathered, by the names of the network's buffers. A module that is used several
    times gets the mean of all its uses.
    """
    uses: dict[str, list[tuple[Tensor, Tensor]]] = {}
    unnamed = []
    for name, module in network.batch_norms:
        if name not in statistics.sums:
            continue
        if module:
            uses.setdefault(module, []).append(statistics.of(name))
        else:
            unnamed.append(name)
    buffers = {}
    for module, each in uses.items():
        means, variances = zip(*each, strict=True)
        buffers[f"{module}.running_mean"] = sum(means) / len(each)
        buffers[f"{module}.running_var"] = sum(variances) / len(each)
    return RunningStatistics(buffers, tuple(unnamed))
