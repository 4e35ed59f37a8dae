"""What a network that may be stopped at any time is worth: the area under its curve of accuracy over
multiply-adds (GHN-1 paper, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor

from service.executor.networks import Network
from service.graph_io.archgraph import ArchGraph
from service.predictors.features.exits import exit_costs
from training.data.dataset import Dataset, ImageSet, batches

_BATCH = 64


@dataclass(frozen=True, slots=True)
class ExitScore:
    """multiply_adds: spent when this exit answers. accuracy: percent of the images. loss: mean cross-entropy
    in nats; that of guessing where logits are not finite.
    """

    multiply_adds: int
    accuracy: float
    loss: float


@torch.no_grad()
def exit_scores(
    network: Network, params: Mapping[str, Tensor], dataset: Dataset, images: ImageSet, *,
    limit: int | None = None, dtype: torch.dtype = torch.float32,
) -> list[ExitScore]:  # fmt: skip
    """Every exit on images, at most `limit`, in batches of 64 by whose statistics batch norms go. Empty for a
    network without exits.
    """
    costs = exit_costs(network.graph)
    if not costs:
        return []
    correct, losses, total = [0] * len(costs), [0.0] * len(costs), 0
    guessing = log(len(dataset.classes))
    for x, labels in batches(dataset, images, _BATCH, limit):
        total += len(labels)
        for place, logits in enumerate(network.answers(x.to(dtype), params)):
            correct[place] += int((logits.argmax(1) == labels).sum())
            loss = float(F.cross_entropy(logits, labels)) if torch.isfinite(logits).all() else guessing
            losses[place] += loss * len(labels)
    return [
        ExitScore(cost.multiply_adds, 100 * right / total, loss / total)
        for cost, right, loss in zip(costs, correct, losses, strict=True)
    ]


def area(costs: Sequence[float], values: Sequence[float], budget: float, *, before: float = 0.0) -> float:
    """The mean over all moments from 0 to `budget` at which a network may be stopped of what the last exit
    says that has answered by then, and of `before` where none has: the area under that step function, over
    the budget. costs: of the exits, ascending; beyond the budget they do not count.
    """
    moments = [0.0, *(min(float(cost), budget) for cost in costs), budget]
    lengths = [until - since for since, until in pairwise(moments)]
    return sum(length * value for length, value in zip(lengths, (before, *values), strict=True)) / budget


def usual_budget(graph: ArchGraph, nodes: int) -> float:
    """Multiply-adds of `nodes` 3x3 convolutions of the stem's width on the finest scale, where one costs what
    it costs on every other: about what a network of the space `anytime` with so many nodes takes.
    """
    stem = next(node for node in graph.nodes if node.op == "conv")
    channels, (_, height, width) = stem.params[0].shape[0], graph.input_shape
    return float(nodes * 9 * channels**2 * height * width)
