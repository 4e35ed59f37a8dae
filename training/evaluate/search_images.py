"""What a search or a ranking asks of images: scores of networks with generated weights, and, at the end, what
networks do once they are trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.contract.kinds import image_rankers
from service.contract.scoring import IMAGES, PREDICTED_WEIGHTS, scorer
from service.executor.networks import Network
from service.kit.references import resolve
from service.predictors.features.architectures import Reader
from service.settings import Settings
from training.data.dataset import Dataset
from training.data.load import load_dataset
from training.data.network_images import check_fits
from training.evaluate.accuracy import network_accuracy
from training.evaluate.ranker import ImageRanker, PredictedWeightsRanker, read_runnable
from training.loop.network_training import random_parameters, train_network
from training.loop.recipes import SgdRecipe

_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchImages:
    """images: validation images of a score. epochs: of a training."""

    dataset: Dataset
    images: int = IMAGES
    epochs: int = 5
    read: Reader = read_runnable

    @classmethod
    def load(
        cls, source: str, data_dir: Path, settings: Settings, *,
        skip_bad: bool, read: Reader, images: int, epochs: int = 5,
    ) -> SearchImages:  # fmt: skip
        """source, data_dir, skip_bad: as `load_dataset` takes them; what it decodes is kept in the settings'
        home.
        """
        dataset = load_dataset(
            source, data_dir=data_dir, cache_dir=settings.home / "cache", skip_bad=skip_bad
        )
        return cls(dataset=dataset, images=images, epochs=epochs, read=read)

    @property
    def classes(self) -> int:
        """How many classes the images have."""
        return len(self.dataset.classes)

    def ranker(self, predictor: str) -> ImageRanker:
        """predictor: KIND:NAME. Raises UnknownModel, InvalidRequest, and ValueError for an unknown kind."""
        choice = scorer(predictor)
        if choice.kind == PREDICTED_WEIGHTS:
            return PredictedWeightsRanker(choice.model, self.dataset, images=self.images, read=self.read)
        ranker = resolve(str(image_rankers()[choice.kind].image_ranker))
        made: ImageRanker = ranker(choice.model, self.dataset, images=self.images)
        return made

    def trained_accuracy(self, document: Mapping[str, Any]) -> float:
        """Percent of test images after training from random weights. Batch normalisation uses statistics of
        training images.
        """
        graph = self.read(document)
        size = graph.input_shape[-1]
        # Models that generate weights learn from images of a size of their own; their networks take these.
        is_resized = document.get("format") in image_rankers()
        dataset = self.dataset.resized(size) if is_resized else self.dataset
        network = Network(graph)
        check_fits(network, random_parameters(graph), dataset)
        params = train_network(network, dataset, SgdRecipe(epochs=self.epochs, batch_size=_BATCH))
        return network_accuracy(graph, params, dataset, dataset.test, recalibrate=True)
