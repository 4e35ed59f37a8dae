"""A HyperNAS model as a ranker of cells (`rankers.ranking.Ranker`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from service.contract.scoring import Score
from service.errors import InvalidInput
from service.models.catalog import ModelCard
from service.predictors.features.architectures import Reader
from service.predictors.hypernas.batch import batch_of_rows, cell_row
from service.predictors.hypernas.cell_graph import read_cell
from service.predictors.hypernas.checkpoint import load_checkpoint
from service.predictors.regressors.scores import SCORE_DECIMALS
from service.predictors.rounding import significant

_AT_ONCE = 2048


def ranker_of(card: ModelCard, read: Reader) -> HyperNASRanker:
    """Reads bare cells itself. Raises what the class raises."""
    return HyperNASRanker(card)


class HyperNASRanker:
    """Scores are normal scores of the observed values, values the same in their units: beyond the best and
    the worst observation, these.
    """

    note: str | None = None
    unit: str = ""

    def __init__(self, card: ModelCard) -> None:
        self._checkpoint = load_checkpoint(card.path)
        if self._checkpoint.hypernas.regressor is None:
            raise InvalidInput(
                f"{card.name!r} was trained to generate weights alone: it cannot rank.", model=card.name
            )
        self._checkpoint.hypernas.double()  # rounding.py says why
        self.name, self.property = card.name, self._checkpoint.property

    def features(self, document: Any) -> list[float]:
        config = self._checkpoint.hypernas.config
        return cell_row(read_cell(document, config.space, prune=config.prune), config.space)

    def scores(self, rows: list[list[float]]) -> list[Score]:
        # Many cells are one network written differently; each is worked out once.
        different, place = np.unique(np.array(rows), axis=0, return_inverse=True)
        space = self._checkpoint.hypernas.config.space
        parts = []
        with torch.no_grad():
            for start in range(0, len(different), _AT_ONCE):
                cells = batch_of_rows(different[start : start + _AT_ONCE].tolist(), space).double()
                parts.append(self._checkpoint.hypernas.score(cells).numpy())
        score = np.concatenate(parts)[place.reshape(-1)]
        value = np.interp(score, self._checkpoint.score_K, self._checkpoint.value_K)
        return [
            {"score": round(float(one), SCORE_DECIMALS), "value": significant(other)}
            for one, other in zip(score, value, strict=True)
        ]
