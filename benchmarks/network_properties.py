"""Properties of a network that is trained for a short while: accuracy on clean and on corrupted images, how
fast it learned.

GHN-2 paper, section 5.2 and appendix C.2.3: what regressors on embeddings of networks are to predict. The
paper trains for 50 epochs; how long we do is the recipe's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

import torch

from service.executor.networks import Network
from service.graph_io.archgraph import ArchGraph
from training.data.dataset import Dataset, ImageSet
from training.evaluate.accuracy import network_accuracy
from training.loop.network_training import random_parameters, train_network
from training.loop.recipes import SgdRecipe

# Standard deviation of the noise on pixels between 0 and 1. The paper's 0.08 for CIFAR-10 (appendix C.2.3) is
# for networks that were trained for long: those of a short training hardly notice it.
NOISE = 0.2
_CALIBRATION_BATCHES = 8
_SMOOTHING = 10


@dataclass(frozen=True, slots=True)
class Properties:
    """clean, corrupted: percent of validation images that are classified correctly. curve: accuracy in
    percent on every training batch.
    """

    clean: float
    corrupted: float
    curve: tuple[float, ...]


def corrupted(images: ImageSet, seed: int = 0) -> ImageSet:
    """The images with Gaussian noise, the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(images.images_NCHW.shape, generator=generator) * (255 * NOISE)
    noisy = (images.images_NCHW.float() + noise).round_().clamp_(0, 255).to(torch.uint8)
    return replace(images, images_NCHW=noisy)


def trained_properties(
    graph: ArchGraph, dataset: Dataset, noisy: ImageSet, recipe: SgdRecipe, *,
    limit: int | None = None, dtype: torch.dtype = torch.float32,
) -> Properties:  # fmt: skip
    """Train a network from random initialisation and measure it on validation images, at most `limit`.

    noisy: the validation images, corrupted. Batch normalisation uses statistics of training images.
    """
    curve: list[float] = []
    params = train_network(
        Network(graph), dataset, recipe, dtype=dtype, on_batch=lambda *batch: curve.append(round(batch[2], 2))
    )
    clean, worse = (
        network_accuracy(
            graph, params, dataset, images,
            limit=limit, recalibrate=True, calibration_batches=_CALIBRATION_BATCHES, dtype=dtype,
        )
        for images in (dataset.validation, noisy)
    )  # fmt: skip
    return Properties(round(clean, 3), round(worse, 3), tuple(curve))


def updates_until(curve: Sequence[float], percent: float) -> int:
    """Updates after which the mean accuracy of the last ten training batches first reached so many percent;
    one more than there were if it never did.
    """
    for end in range(_SMOOTHING, len(curve) + 1):
        if sum(curve[end - _SMOOTHING : end]) >= _SMOOTHING * percent:
            return end
    return len(curve) + 1


@torch.no_grad()
def forward_seconds(graph: ArchGraph, images_NCHW: torch.Tensor, repeats: int = 7) -> float:
    """Median time of a forward pass from random initialisation, after one to warm up."""
    network, params = Network(graph), random_parameters(graph)
    times = []
    for _ in range(repeats + 1):
        started = perf_counter()
        network(images_NCHW, params)
        times.append(perf_counter() - started)
    return median(times[1:])
