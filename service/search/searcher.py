"""Search with an oracle that is dear: a training run, a measurement. A regressor that is fitted to what was
told proposes what to try next.

    searcher = Searcher(find_space("nasbench201"), seed=0)
    for _ in range(100):
        architecture = searcher.ask()
        searcher.tell(architecture, train_and_measure(architecture))
    architecture, value = searcher.best

Shape legend: N told, M candidates, F features
"""

from __future__ import annotations

from math import isfinite
from random import Random
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from service.contract.fields import Document
from service.errors import InvalidRequest, ServiceError
from service.graph_io.read import read_document
from service.predictors.features.architectures import Reader, features_of, structure_size, view_of
from service.predictors.regressors.few_shot import (
    FEWEST_OBSERVATIONS,
    FewShotRegressor,
    Floats,
    Prediction,
    normal_scores,
)
from service.predictors.regressors.scores import AnyScale
from service.search.space import Space

Acquisition = Literal["expected_improvement", "upper_confidence"]

INITIAL = 20
REFIT_EVERY = 10
CANDIDATES = 500
# Whose neighbours are candidates too.
ELITE = 10
NEIGHBOURS = 20
# Standard deviations that upper confidence adds; half a rank's worth of optimism.
CONFIDENCE = 1.0
# A regressor that is fitted again and again may be a little coarser than one that is kept.
NUM_TREES = 100
_TRIES = 1000


class Searcher:
    """Asks for architectures in an order that finds good ones early. Values are maximised.

    initial: so many are random. refit_every: the regressor is fitted again after so many were told, and until
    then its first choices are asked for in order. acquisition: what makes a candidate worth trying, the
    expected improvement over the best (Jones et al. 1998) or the mean plus one standard deviation.

    Deterministic for a seed and the values that are told.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int = 0,
        initial: int = INITIAL,
        refit_every: int = REFIT_EVERY,
        candidates: int = CANDIDATES,
        acquisition: Acquisition = "expected_improvement",
        read: Reader = read_document,
    ) -> None:
        if initial < FEWEST_OBSERVATIONS:
            raise InvalidRequest(
                f"A regressor needs {FEWEST_OBSERVATIONS} observations to start.", field="/initial"
            )
        self._space, self._read, self._seed = space, read, seed
        self._initial, self._refit_every, self._candidates = initial, refit_every, candidates
        self._acquisition = acquisition
        self._random = Random(f"weightcast/searcher/{seed}")
        self._rows: dict[str, list[float] | None] = {}
        self._proposals: set[str] = set()
        self._observations: list[tuple[Document, float]] = []
        self._proposed: list[Document] = []

    @property
    def observations(self) -> list[tuple[Document, float]]:
        """What was told, in order."""
        return list(self._observations)

    @property
    def best(self) -> tuple[Document, float]:
        """The best of what was told. Raises InvalidRequest where that is nothing."""
        if not self._observations:
            raise InvalidRequest("There is no result yet: call `tell` first.", field="/value")
        return max(self._observations, key=lambda item: item[1])

    def ask(self) -> Document:
        """The next architecture to try; never one that was asked before. Raises InvalidRequest where the
        space has no more.
        """
        if not self._proposed:
            self._proposed = self._guided() if len(self._observations) >= self._initial else [self._fresh()]
        document = self._proposed.pop(0)
        self._proposals.add(self._space.key(document))
        return document

    def tell(self, document: Document, value: float) -> None:
        """What came of an architecture, asked for or not. Raises InvalidRequest for a value that is not
        finite, and what its reader raises for what is no architecture.
        """
        if not isfinite(value):
            raise InvalidRequest("A value must be a finite number.", field="/value")
        key = self._space.key(document)
        if self._row(key, document) is None:
            raise InvalidRequest("A predictor cannot read this network.", field="/architecture")
        self._proposals.add(key)
        self._observations.append((document, float(value)))
        if len(self._observations) >= self._initial and len(self._observations) % self._refit_every == 0:
            self._proposed = []

    def _guided(self) -> list[Document]:
        """The candidates that are most worth trying, best first."""
        value_N = np.array([value for _, value in self._observations])
        feature_NF = np.array(
            [self._row(self._space.key(document), document) for document, _ in self._observations]
        )
        regressor = AnyScale(FewShotRegressor(seed=self._seed, num_trees=NUM_TREES))
        regressor.fit(feature_NF, value_N)
        candidates = self._pool()
        if not candidates:
            return [self._fresh()]
        prediction = regressor.predict(np.array([self._rows[key] for key in candidates], dtype=np.float64))
        worth_M = self._worth(prediction, float(normal_scores(value_N).max()))
        order = np.argsort(-worth_M, kind="stable")[: self._refit_every]
        documents = list(candidates.values())
        return [documents[place] for place in order]

    def _worth(self, prediction: Prediction, best: float) -> Floats:
        if self._acquisition == "upper_confidence":
            return prediction.score_M + CONFIDENCE * prediction.spread_M
        spread_M = np.maximum(prediction.spread_M, 1e-9)
        ahead_M: NDArray[np.float64] = (prediction.score_M - best) / spread_M
        worth_M: Floats = spread_M * (ahead_M * norm.cdf(ahead_M) + norm.pdf(ahead_M))
        return worth_M

    def _pool(self) -> dict[str, Document]:
        """Candidates by key: random ones, and neighbours of the best."""
        elite = sorted(self._observations, key=lambda item: -item[1])[:ELITE]
        drawn = [self._space.sample(self._random) for _ in range(self._candidates)]
        drawn += [
            self._space.mutate(document, self._random) for document, _ in elite for _ in range(NEIGHBOURS)
        ]
        pool: dict[str, Document] = {}
        for document in drawn:
            key = self._space.key(document)
            if key not in self._proposals and self._row(key, document) is not None:
                pool.setdefault(key, document)
        return pool

    def _fresh(self) -> Document:
        for _ in range(_TRIES):
            document = self._space.sample(self._random)
            key = self._space.key(document)
            if key not in self._proposals and self._row(key, document) is not None:
                return document
        raise InvalidRequest(
            f"{len(self._proposals):,} architectures were proposed, and no new one can be found.",
            field="/space",
        )

    def _row(self, key: str, document: Document) -> list[float] | None:
        """The features; None of what is no network."""
        if key not in self._rows:
            try:
                view = view_of([document])
                row = features_of(document, view, read=self._read)
                # The rest are plain counts, which this regressor has no use for.
                self._rows[key] = row[: structure_size(view)]
            except ServiceError:
                self._rows[key] = None
        return self._rows[key]
