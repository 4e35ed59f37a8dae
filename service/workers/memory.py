"""What a worker remembers of architectures, so that lists that overlap are answered faster."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic_core import to_json

from service.contract.scoring import Score
from service.kit.lru import LRU

if TYPE_CHECKING:
    from service.predictors.rankers.ranking import Ranker

# A row of features is about a kilobyte, what a predictor says of it half of one.
ARCHITECTURES_KEPT = 20_000


def document_key(document: Any) -> bytes:
    """Equal for equal documents, whatever the order of their fields and the name they go by; different for
    different ones. Within a field the order matters: to sort every node of a graph takes longer than to read
    it.
    """
    if isinstance(document, Mapping):
        named = document.get("format") == "torchvision"
        document = {field: document[field] for field in sorted(document) if named or field != "name"}
    return blake2b(to_json(document), digest_size=16).digest()


class RememberingRanker:
    """A ranker that works out the features of an architecture once, and what follows from them once.

    What cannot be read is not remembered.
    """

    def __init__(self, ranker: Ranker, capacity: int = ARCHITECTURES_KEPT) -> None:
        self._ranker = ranker
        self.name, self.property, self.unit = ranker.name, ranker.property, ranker.unit
        self.note = ranker.note
        self._rows: LRU[bytes, bytes] = LRU(capacity)
        self._scores: LRU[bytes, Score] = LRU(capacity)

    def features(self, document: Any) -> list[float]:
        key = document_key(document)
        known = self._rows.get(key)
        if known is None:
            row = self._ranker.features(document)
            self._rows.put(key, np.array(row, dtype=np.float64).tobytes())
            return row
        return list(np.frombuffer(known).tolist())

    def scores(self, rows: list[list[float]]) -> list[Score]:
        keys = [np.array(row, dtype=np.float64).tobytes() for row in rows]
        scores = {key: score for key in keys if (score := self._scores.get(key)) is not None}
        unknown = {key: row for key, row in zip(keys, rows, strict=True) if key not in scores}
        if unknown:
            for key, score in zip(unknown, self._ranker.scores(list(unknown.values())), strict=True):
                self._scores.put(key, score)
                scores[key] = score
        return [scores[key].copy() for key in keys]
