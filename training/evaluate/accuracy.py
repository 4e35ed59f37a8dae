"""How good predicted weights are: accuracy on test images of unseen networks, without training them.

GHN-2 paper, section 5.1: batch normalisation uses the statistics of test batches of 64 images, or (appendix
C.1) running ones recalibrated by forwarding training images. `evaluation` measures many networks, in several
processes and with a memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from service.executor.cost import network_cost
from service.executor.networks import Network
from service.executor.statistics import BatchStatistics
from service.ghn.model import GHN
from service.ghn.predict import predict_blocks
from service.graph_io.archgraph import ArchGraph
from training.data.dataset import Dataset, ImageSet, batches
from training.data.deepnets import architecture_graph

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
    def standard_error(self) -> float | None:
        """Of the mean; None for a single network, which says nothing of others."""
        count = len(self.accuracies)
        if count < 2:
            return None
        variance = sum((value - self.mean) ** 2 for value in self.accuracies) / (count - 1)
        return sqrt(variance / count)

    @property
    def max(self) -> float:
        return max(self.accuracies)

    def __format__(self, spec: str) -> str:
        """Mean and standard error, each in this format."""
        error = self.standard_error
        return f"{self.mean:{spec}}" + ("" if error is None else f" ± {error:{spec.lstrip('+')}}")


def validation_networks(count: int, num_classes: int) -> list[ArchGraph]:
    """The first networks of id-val that are quick to run: for watching a run, not for reporting."""
    networks: list[ArchGraph] = []
    index = 0
    while len(networks) < count:
        graph = architecture_graph("id-val", 0, index, num_classes=num_classes)
        if network_cost(graph, 32) < 700:
            networks.append(graph)
        index += 1
    return networks


def predicted_parameters(ghn: GHN, graph: ArchGraph) -> dict[str, Tensor]:
    """What a GHN answers for the parameters that the network reads, by name; the standard value where it has
    no decoder, as in every answer.
    """
    read = graph if graph.program is not None else replace(graph, unattached=())
    return {name: torch.from_numpy(values) for name, values in predict_blocks(ghn, read).expand().items()}


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
    statistics = (
        training_statistics(network, params, dataset, calibration_batches * _BATCH, dtype=dtype)
        if recalibrate
        else None
    )
    return measure(network, params, dataset, images, limit=limit, statistics=statistics, dtype=dtype)[0]


@torch.no_grad()
def training_statistics(
    network: Network, params: Mapping[str, Tensor], dataset: Dataset, images: int, *,
    dtype: torch.dtype = torch.float32,
) -> BatchStatistics:  # fmt: skip
    """What batch normalisation uses instead of each batch's own: means over batches of 64 of the first
    training images (GHN-2 paper, appendix C.1).
    """
    statistics = BatchStatistics()
    device = _device_of(params)
    for x, _ in batches(dataset, dataset.train, _BATCH, images):
        network(x.to(device, dtype), params, statistics)
    statistics.gathering = False
    return statistics


@torch.no_grad()
def measure(
    network: Network, params: Mapping[str, Tensor], dataset: Dataset, images: ImageSet, *,
    limit: int | None = None, statistics: BatchStatistics | None = None, dtype: torch.dtype = torch.float32,
    guesses: bool = True,
) -> tuple[float, float]:  # fmt: skip
    """Accuracy in percent and mean cross-entropy in nats on images, at most `limit`, in batches of 64.

    guesses: where outputs are not finite, the loss is that of guessing, so that networks can be ranked by it;
    without it, the loss is not finite either.
    """
    device, guessing = _device_of(params), log(len(dataset.classes))
    correct, loss, total = 0, 0.0, 0
    for x, labels in batches(dataset, images, _BATCH, limit):
        logits = network(x.to(device, dtype), params, statistics).cpu()
        correct += int((logits.argmax(1) == labels).sum())
        summed = float(F.cross_entropy(logits, labels, reduction="sum"))
        loss += guessing * len(labels) if guesses and not torch.isfinite(logits).all() else summed
        total += len(labels)
    return 100 * correct / total, loss / total


def _device_of(params: Mapping[str, Tensor]) -> torch.device:
    return next((value.device for value in params.values()), torch.device("cpu"))
