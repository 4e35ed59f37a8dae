"""Ranking architectures by how their networks do with weights that nobody trained, and no observations: those
that a GHN predicts (GHN paper, section 4), or that another model generates.

Whether that orders networks as training does depends on the model: measure it on your space first.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from math import log
from typing import Any, Literal

from torch import Tensor

from service.contract.scoring import IMAGES, PREDICTED_WEIGHTS, Score
from service.executor.networks import Network
from service.executor.onnx_check import check_onnx
from service.ghn.registry import load_model
from service.graph_io.archgraph import ArchGraph
from service.graph_io.limits import DEFAULT_LIMITS
from service.graph_io.read import format_of, onnx_data, read_document
from service.predictors.features.architectures import Reader
from service.predictors.regressors.scores import SCORE_DECIMALS
from training.data.dataset import Dataset
from training.data.network_images import check_fits
from training.evaluate.accuracy import measure, predicted_parameters
from training.evaluate.anytime import area, exit_scores, usual_budget
from training.evaluate.classes import other_classes
from training.loop.number_format import native_format

By = Literal["accuracy", "loss"]

_NO_ORDER = (
    "Its last layers answer for the classes that it knows, so these scores order no networks: take a GHN "
    "that was trained on these images (`weightcast train`)."
)
# Whoever read the document has bounded it.
read_runnable: Reader = partial(read_document, runnable=True)
_READ_BEFORE = replace(DEFAULT_LIMITS, max_bytes=sys.maxsize // 2)


class ImageRanker(ABC):
    """A `service.predictors.rankers.ranking.Ranker` over validation images.

    by: what orders networks, the share of images that are classified correctly, or minus the mean
    cross-entropy, finer where few images decide; of a network with early exits the mean of either over the
    moments at which it may be stopped (`anytime.area`). Batch normalisation uses the statistics of each batch
    of 64 images.
    """

    property = "accuracy"
    unit = ""

    def __init__(self, name: str, weights: str, dataset: Dataset, by: By, images: int) -> None:
        """weights: what they are, in a sentence."""
        self._dataset, self._by, self._images = dataset, by, images
        self._dtype = native_format()
        self.name = name
        self.note: str | None = (
            f"Scores are the {by} of networks with {weights}, untrained, on "
            f"{min(images, len(dataset.validation)):,} validation images of {dataset.name}."
        )

    @abstractmethod
    def _network(self, document: Any) -> tuple[ArchGraph, Mapping[str, Tensor]]:
        """A network and every parameter that it reads, by name."""

    def score(self, document: Any) -> float:
        """Percent of images, or minus the mean cross-entropy in nats: higher is better."""
        return self._order(self.features(document))

    def features(self, document: Any) -> list[float]:
        """Accuracy in percent and mean cross-entropy of one network; their areas where it has early exits.

        Raises what reading it raises, UnsupportedOperator for a network that cannot be run, or answers
        something else than onnxruntime with its file, InvalidRequest for one that does not take the images
        or has other classes.
        """
        graph, params = self._network(document)
        network, part = Network(graph), self._dataset.validation
        if format_of(document) == "onnx":
            check_onnx(network, onnx_data(document, limits=_READ_BEFORE))
        check_fits(network, params, self._dataset)
        if network.graph.exits:
            return self._areas(network, params, document)
        measurement = measure(network, params, self._dataset, part, limit=self._images, dtype=self._dtype)
        return list(measurement)

    def _areas(self, network: Network, params: Mapping[str, Tensor], document: Any) -> list[float]:
        """Means over the moments at which the network may be stopped, up to the usual budget of its size."""
        scores = exit_scores(
            network, params, self._dataset, self._dataset.validation, limit=self._images, dtype=self._dtype
        )
        costs = [float(score.multiply_adds) for score in scores]
        nodes = sum(len(block) for block in document["blocks"]) if format_of(document) == "anytime" else 0
        budget = usual_budget(network.graph, nodes) if nodes else costs[-1]
        return [
            area(costs, [score.accuracy for score in scores], budget),
            area(costs, [score.loss for score in scores], budget, before=log(len(self._dataset.classes))),
        ]

    def scores(self, rows: list[list[float]]) -> list[Score]:
        return [
            {"score": round(self._order(row), SCORE_DECIMALS), "value": row[0], "loss": row[1]}
            for row in rows
        ]

    def _order(self, row: list[float]) -> float:
        return row[0] if self._by == "accuracy" else -row[1]


class PredictedWeightsRanker(ImageRanker):
    """Networks of any format with the weights that a GHN predicts.

    read: reads documents for running them, that is with their programs. Raises UnknownModel for a GHN that
    does not exist.
    """

    def __init__(
        self,
        ghn: str,
        dataset: Dataset,
        *,
        by: By = "accuracy",
        images: int = IMAGES,
        read: Reader = read_runnable,
    ) -> None:
        super().__init__(f"{PREDICTED_WEIGHTS}:{ghn}", f"weights predicted by {ghn}", dataset, by, images)
        self._model, self._read = load_model(ghn), read
        differs = other_classes(self._model.card, self._model.ghn.config, dataset)
        if differs is not None:
            self.note = f"{self.note} {differs} {_NO_ORDER}"

    def _network(self, document: Any) -> tuple[ArchGraph, Mapping[str, Tensor]]:
        graph = self._read(document)
        return graph, predicted_parameters(self._model.ghn, graph)
