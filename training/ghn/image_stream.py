"""The images that the networks of a step train on, made ready while the step before runs.

Every epoch has an order of its own, fixed by the seed; every network of a step sees images of its own. With
several data sets, networks take turns among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from training.data.dataset import Dataset, sample_batch

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class ImageSelection:
    """step: number of the step. first, network: how many images and networks were seen before it. positions:
    of the networks in the step, each of which gets `images` images of image_size x image_size.
    """

    step: int
    first: int
    network: int
    positions: tuple[int, ...]
    images: int
    image_size: int


class ImageStream:
    """Images of data sets by what a step needs, and by nothing else."""

    def __init__(self, datasets: Sequence[Dataset], seed: int, *, crop: bool) -> None:
        self._datasets, self._seed, self._crop = datasets, seed, crop
        self._sizes: dict[int, list[Dataset]] = {}
        self._maker = ThreadPoolExecutor(1)
        self._ready: tuple[ImageSelection, Future[list[Batch]]] | None = None
        # Of no method of this object: the cycle would keep the images until a collection that may never come.
        self._order = lru_cache(maxsize=4)(partial(_order, seed))

    def take(self, selection: ImageSelection, following: ImageSelection | None = None) -> list[Batch]:
        """Normalised images and labels, a batch for each position. following: what is likely needed next."""
        ready, self._ready = self._ready, None
        if following is not None:
            self._ready = following, self._maker.submit(self._make, following)
        if ready is not None and ready[0] == selection:
            return ready[1].result()
        return self._make(selection)

    def close(self) -> None:
        self._maker.shutdown(wait=False, cancel_futures=True)

    def _make(self, selection: ImageSelection) -> list[Batch]:
        datasets = self._resized(selection.image_size)
        return [
            self._batch(datasets[(selection.network + position) % len(datasets)], selection, position)
            for position in selection.positions
        ]

    def _batch(self, dataset: Dataset, selection: ImageSelection, position: int) -> Batch:
        start = selection.first + position * selection.images
        places = np.arange(start, start + selection.images)
        indices = self._indices(places, len(dataset.train))
        random = np.random.default_rng([self._seed, selection.step, position])
        return sample_batch(dataset, indices, random, crop=self._crop)

    def _indices(self, places: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        epochs, offsets = np.divmod(places, count)
        indices = np.empty_like(places)
        for epoch in np.unique(epochs):
            chosen = epochs == epoch
            indices[chosen] = self._order(int(epoch), count)[offsets[chosen]]
        return indices

    def _resized(self, size: int) -> list[Dataset]:
        if size not in self._sizes:
            self._sizes[size] = [dataset.resized(size) for dataset in self._datasets]
        return self._sizes[size]


def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, 7, epoch]).permutation(count)
