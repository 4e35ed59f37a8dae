"""Batch-norm statistics as the buffers of the network that somebody described, so that its `eval()` works."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from service.executor.networks import BatchStatistics
from service.executor.operators import NORMALISED_BY_BATCH
from service.graph_io.archgraph import ArchGraph, Node

_WEIGHT = ".weight"


@dataclass(frozen=True)
class RunningStatistics:
    """buffers: `P.running_mean` and `P.running_var` (unbiased) for a batch norm whose weight is `P.weight`:
    so torch names them, and its ONNX exporter keeps that. unnamed: batch norms whose names nothing tells,
    because they own no such weight.
    """

    buffers: dict[str, Tensor]
    unnamed: tuple[str, ...]


def running_statistics(graph: ArchGraph, statistics: BatchStatistics) -> RunningStatistics:
    """Statistics that were gathered, by the names of the network's buffers. A module that is used several
    times gets the mean of all its uses.
    """
    found: dict[str, list[tuple[Tensor, Tensor]]] = {}
    unnamed = []
    for node in graph.nodes:
        if node.op not in NORMALISED_BY_BATCH or node.name not in statistics.sums:
            continue
        module = _module_of(node)
        if module is None:
            unnamed.append(node.name)
        else:
            found.setdefault(module, []).append(statistics.of(node.name))
    buffers = {}
    for module, uses in found.items():
        means, variances = zip(*uses, strict=True)
        buffers[f"{module}.running_mean"] = sum(means) / len(uses)
        buffers[f"{module}.running_var"] = sum(variances) / len(uses)
    return RunningStatistics(buffers, tuple(unnamed))


def _module_of(node: Node) -> str | None:
    weight = next((parameter.name for parameter in node.params if parameter.role == "weight"), "")
    return weight.removesuffix(_WEIGHT) if weight.endswith(_WEIGHT) else None
