"""Ranking architectures by how their networks do with predicted weights, no training and no observations (GHN
paper, section 4; SMASH scores networks the same way).

Whether that orders networks as training does depends on the GHN: measure it on your space first.
"""

from __future__ import annotations

from typing import Any, Literal

from service.ghn.registry import load_model
from service.graph_io.read import read_architecture
from service.predictors.architectures import Reader
from training.data import Dataset
from training.evaluate import measure, native_dtype, predicted_parameters
from training.networks import Network

By = Literal["accuracy", "loss"]

PREFIX = "predicted-weights:"
DEFAULT_IMAGES = 512
_SIGNIFICANT = 6


class PredictedWeightsRanker:
    """A `service.predictors.ranking.Ranker` over validation images.

    by: what orders them, the share of images that are classified correctly, or minus the mean cross-entropy,
    finer where few images decide. Batch normalisation uses the statistics of each batch of 64 images.

    Raises UnknownModel for a GHN that does not exist; UnsupportedOperator for a network that cannot be run.
    """

    property = "accuracy"

    def __init__(
        self,
        ghn: str,
        dataset: Dataset,
        *,
        by: By = "accuracy",
        images: int = DEFAULT_IMAGES,
        read: Reader = read_architecture,
    ) -> None:
        self._model = load_model(ghn)
        self._dataset, self._by, self._images, self._read = dataset, by, images, read
        self._dtype = native_dtype()
        self.name = f"{PREFIX}{ghn}"
        self.note: str | None = (
            f"Scores are the {by} of networks with weights predicted by {ghn}, untrained, on "
            f"{min(images, len(dataset.validation)):,} validation images of {dataset.name}."
        )

    def score(self, document: Any) -> float:
        """Percent of images, or minus the mean cross-entropy in nats: higher is better."""
        return self._order(self.features(document))

    def features(self, document: Any) -> list[float]:
        """Accuracy in percent and mean cross-entropy of one network."""
        graph, dataset = self._read(document), self._dataset
        params = predicted_parameters(self._model.ghn, graph)
        found = measure(
            Network(graph), params, dataset, dataset.validation, limit=self._images, dtype=self._dtype
        )
        return list(found)

    def scores(self, rows: list[list[float]]) -> list[dict[str, Any]]:
        return [
            {"score": round(self._order(row), _SIGNIFICANT), "value": row[0], "loss": row[1]} for row in rows
        ]

    def _order(self, row: list[float]) -> float:
        return row[0] if self._by == "accuracy" else -row[1]
