"""The last layer of a network in closed form: ridge regression from the features before it to the classes.

Labelled images are at hand where a network is trained on them, so its last layer need be neither predicted
nor random: the weights that suit given features best are a system of linear equations. How strongly they are
kept small, and the scale that makes them logits, are chosen on validation images.

Shape legend: N images, D features, K classes
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from service.errors import InvalidArchitecture, UnsupportedOperator
from service.executor.networks import Network
from service.executor.statistics import BatchStatistics
from service.graph_io.archgraph import ArchGraph, Node
from service.graph_io.program import before_last_layer
from training.data.dataset import Dataset, ImageSet, batches

_BATCH = 64
_PASSED_THROUGH = ("identity", "dropout")
# Times the mean variance of a feature. What is regressed to is 0 or 1, so logits are several times larger.
_STRENGTHS = tuple(10.0**power for power in range(-5, 3))
_SCALES = tuple(1.5**power for power in range(10))


@dataclass(frozen=True)
class LastLayer:
    """The linear layer that gives the network's output. features: the network before it. transposed: the
    weight is stored as (features, classes).
    """

    weight: str
    bias: str | None
    features: Network
    transposed: bool


@dataclass(frozen=True)
class SolvedHead:
    """params: the last layer's, by name, float32. strength: of the penalty, in mean variances of a feature.
    loss: mean cross-entropy on validation images, in nats.
    """

    params: dict[str, Tensor]
    strength: float
    loss: float


def last_layer(network: Network) -> LastLayer | None:
    """None for a network that does not end in a linear layer of its own, such as one that pools after its
    last convolution, and for one that has several, its early exits.
    """
    graph = network.graph
    if len(graph.exits) > 1:
        return None
    nodes = {node.name: node for node in graph.nodes}
    node = nodes[graph.outputs[0]]
    while node.op in _PASSED_THROUGH:
        node = nodes[node.inputs[0]]
    by_role = {parameter.role: parameter for parameter in node.params}
    weight, bias = by_role.get("weight"), by_role.get("bias")
    if node.op != "linear" or weight is None or not set(by_role) <= {"weight", "bias"}:
        return None
    if len(weight.shape) != 2 or any(_shares(other, node) for other in graph.nodes):
        return None
    before = _before(network, node, weight.name, bias.name if bias else None)
    if before is None:
        return None
    try:
        features = Network(before)
    except (UnsupportedOperator, InvalidArchitecture):
        return None
    return LastLayer(weight.name, bias.name if bias else None, features, transposed=weight.axes == (1, 0))


def _before(network: Network, node: Node, weight: str, bias: str | None) -> ArchGraph | None:
    """The network before its last layer. It is run as the whole is: its batch norms have the same names."""
    graph = replace(network.graph, sample=None)
    if not network.by_program or graph.program is None:
        return replace(graph, outputs=(node.inputs[0],), program=None)
    program = before_last_layer(graph.program, weight, bias)
    return None if program is None else replace(graph, program=program)


def _shares(other: Node, node: Node) -> bool:
    names = {parameter.name for parameter in node.params}
    return other is not node and any(parameter.name in names for parameter in other.params)


@torch.no_grad()
def solve_head(
    layer: LastLayer, params: Mapping[str, Tensor], dataset: Dataset, statistics: BatchStatistics, *,
    images: int, validation_images: int,
) -> SolvedHead | None:  # fmt: skip
    """The last layer for the first training images. statistics: what batch normalisation uses.

    None where features are not finite, or are more than one vector an image.
    """
    network, classes = layer.features, len(dataset.classes)
    moments = _Moments(classes, centred=layer.bias is not None)
    for features_ND, labels_N in _features(network, params, dataset, dataset.train, statistics, images):
        if features_ND.ndim != 2 or not torch.isfinite(features_ND).all():
            return None
        moments.add(features_ND.double(), labels_N)
    held_out = list(_features(network, params, dataset, dataset.validation, statistics, validation_images))
    features_ND = torch.cat([features for features, _ in held_out]).double()
    labels_N = torch.cat([labels for _, labels in held_out])
    best: SolvedHead | None = None
    for strength, weight_DK, bias_K in moments.solutions():
        logits_NK = features_ND @ weight_DK + bias_K
        for scale in _SCALES:
            loss = float(F.cross_entropy(scale * logits_NK, labels_N))
            if best is None or loss < best.loss:
                stored = weight_DK if layer.transposed else weight_DK.T
                solved = {layer.weight: (scale * stored).float().contiguous()}
                if layer.bias is not None:
                    solved[layer.bias] = (scale * bias_K).float()
                best = SolvedHead(solved, strength, loss)
    return best


def _features(
    network: Network, params: Mapping[str, Tensor], dataset: Dataset, part: ImageSet,
    statistics: BatchStatistics, limit: int,
) -> Iterator[tuple[Tensor, Tensor]]:  # fmt: skip
    """Features on the CPU, and labels."""
    device = next((value.device for value in params.values()), torch.device("cpu"))
    for images_NCHW, labels_N in batches(dataset, part, _BATCH, limit):
        yield network(images_NCHW.to(device), params, statistics).cpu(), labels_N


class _Moments:
    """Sums over images, from which every strength of the penalty is solved: features need not be kept."""

    def __init__(self, classes: int, *, centred: bool) -> None:
        """centred: the layer has a bias, which takes up the means."""
        self._classes, self._centred, self._count = classes, centred, 0
        self._gram_DD = self._cross_DK = self._sum_D = self._sum_K = torch.zeros((), dtype=torch.float64)

    def add(self, features_ND: Tensor, labels_N: Tensor) -> None:
        target_NK = F.one_hot(labels_N, self._classes).double()
        self._count += len(labels_N)
        self._gram_DD = self._gram_DD + features_ND.T @ features_ND
        self._cross_DK = self._cross_DK + features_ND.T @ target_NK
        self._sum_D = self._sum_D + features_ND.sum(0)
        self._sum_K = self._sum_K + target_NK.sum(0)

    def solutions(self) -> Iterator[tuple[float, Tensor, Tensor]]:
        """strength, weight_DK, bias_K: W = (F'F + strength * mean variance)^-1 F'Y of centred features."""
        count, gram_DD, cross_DK = self._count, self._gram_DD, self._cross_DK
        mean_D, mean_K = self._sum_D / count, self._sum_K / count
        if self._centred:
            gram_DD = gram_DD - count * torch.outer(mean_D, mean_D)
            cross_DK = cross_DK - count * torch.outer(mean_D, mean_K)
        values_D, vectors_DD = torch.linalg.eigh(gram_DD)
        values_D = values_D.clamp(min=0.0)
        unit = float(values_D.mean()) or 1.0
        turned_DK = vectors_DD.T @ cross_DK
        for strength in _STRENGTHS:
            weight_DK = vectors_DD @ (turned_DK / (values_D + strength * unit)[:, None])
            bias_K = mean_K - mean_D @ weight_DK if self._centred else torch.zeros_like(mean_K)
            yield strength, weight_DK, bias_K
