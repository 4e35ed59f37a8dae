"""How good predicted weights are: accuracy on test images of unseen networks, without training them.

GHN-2 paper, section 5.1: batch normalisation uses the statistics of test batches of 64 images, or (appendix
C.1) running ones recalibrated by forwarding training images. `evaluation` measures many networks, in several
processes and with a memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import torch
from torch import Tensor

from service.ghn.batch import GraphBatch
from service.ghn.model import GHN
from service.graph_io.archgraph import ArchGraph
from service.graph_io.primitives import to_primitives
from training.cost import network_cost
from training.data import Dataset, ImageSet, batches
from training.deepnets import architecture_graph
from training.networks import BatchStatistics, Network

_BATCH = 64
# The paper's number: 12,800 images.
CALIBRATION_BATCHES = 200


@dataclass(frozen=True)
class Scores:
    """Accuracies in percent, one a network."""

    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        return sum(self.accuracies) / len(self.accuracies)

    @property
    def standard_error(self) -> float:
        count = len(self.accuracies)
        if count < 2:
            return 0.0
        variance = sum((value - self.mean) ** 2 for value in self.accuracies) / (count - 1)
        return sqrt(variance / count)

    @property
    def max(self) -> float:
        return max(self.accuracies)


def validation_networks(count: int, num_classes: int) -> list[ArchGraph]:
    """The first networks of id-val that are quick to run: for watching a run, not for reporting."""
    found: list[ArchGraph] = []
    index = 0
    while len(found) < count:
        graph = architecture_graph("id-val", 0, index, num_classes=num_classes)
        if network_cost(graph, 32) < 700:
            found.append(graph)
        index += 1
    return found


def native_dtype() -> torch.dtype:
    """bfloat16 where the processor computes in it, which is several times faster; float32 elsewhere."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    fast = capabilities.get("amx_bf16") or capabilities.get("avx512_bf16")
    return torch.bfloat16 if fast else torch.float32


def predicted_parameters(ghn: GHN, graph: ArchGraph) -> dict[str, Tensor]:
    """What a GHN answers for the parameters that the network reads, by name."""
    running = replace(graph, unattached=())
    batch = GraphBatch.from_graphs([to_primitives(running)], ghn.config)
    with torch.no_grad():
        return ghn.predict_tensors(batch)[0]


def evaluate_networks(
    ghn: GHN, graphs: Sequence[ArchGraph], dataset: Dataset, images: ImageSet, *,
    limit: int | None = None, recalibrate: bool = False, dtype: torch.dtype = torch.float32,
) -> Scores:  # fmt: skip
    """Predict the parameters of each network and measure it. limit: at most so many images."""
    return Scores(
        tuple(
            network_accuracy(
                graph, predicted_parameters(ghn, graph), dataset, images,
                limit=limit, recalibrate=recalibrate, dtype=dtype,
            )
            for graph in graphs
        )
    )  # fmt: skip


@torch.no_grad()
def network_accuracy(
    graph: ArchGraph, params: dict[str, Tensor], dataset: Dataset, images: ImageSet, *,
    limit: int | None = None, recalibrate: bool = False, dtype: torch.dtype = torch.float32,
    calibration_batches: int = CALIBRATION_BATCHES,
) -> float:  # fmt: skip
    """Percent of images that a network with these parameters classifies correctly.

    recalibrate: batch normalisation uses statistics of so many batches of 64 training images.
    A network that is not finite scores by chance.
    """
    network = Network(graph)
    statistics = BatchStatistics() if recalibrate else None
    if statistics is not None:
        for x, _ in batches(dataset, dataset.train, _BATCH, calibration_batches * _BATCH):
            network(x.to(dtype), params, statistics)
        statistics.gathering = False
    correct = total = 0
    for x, labels in batches(dataset, images, _BATCH, limit):
        logits = network(x.to(dtype), params, statistics)
        correct += int((logits.argmax(1) == labels).sum())
        total += len(labels)
    return 100 * correct / total
