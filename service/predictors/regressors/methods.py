"""The ways to learn a property from a row of features, each looking at its own part of the row.

| method      | looks at            | good for                                        |
| ---         | ---                 | ---                                             |
| mixture     | structure           | what depends on how a network is built: accuracy |
| smooth      | structure           | what bends nowhere sharply: widths               |
| additive    | counts              | what adds up over operations, in one space       |
| prices      | counts              | the same for networks of very different sizes    |
| embedding   | embedding of a GHN  | any property, without features made by hand      |
| both        | structure, embedding | the mean of mixture and embedding               |

Shape legend: N observations, M queries, F features
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from service.contract.predictor import Features
from service.predictors.regressors.additive import AdditiveRegressor
from service.predictors.regressors.embedding import EmbeddingRegressor
from service.predictors.regressors.few_shot import FewShotRegressor, SmoothRegressor
from service.predictors.regressors.prices import PricesRegressor
from service.predictors.regressors.scores import (
    NORMAL_MARGIN,
    AnyScale,
    CrossValidation,
    Floats,
    Prediction,
    Regressor,
    ScoreScale,
    cross_validate_with,
    hold_out,
    judge,
)

Method = Literal["mixture", "smooth", "additive", "prices", "embedding", "both"]
METHODS: tuple[Method, ...] = get_args(Method)

# What is tried for each choice of features; the first one is what a predictor starts with.
CANDIDATES: dict[Features, tuple[Method, ...]] = {
    "structure": ("mixture", "smooth", "additive", "prices"),
    "embedding": ("embedding",),
    "both": ("both", "mixture", "smooth", "additive", "prices", "embedding"),
}
# These look at the counts alone.
COUNTING: tuple[Method, ...] = ("additive", "prices")
_WIDEST_RANGE = 1e12


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the parts of a row end: structure first, then counts, then the embedding up to the row's end."""

    structure: int
    counts: int


def candidates(features: Features, value_N: Floats) -> tuple[Method, ...]:
    """Methods for these features that can learn these values: prices add up to positive ones only, which no
    sum spreads over too many orders of size.
    """
    least, most = float(np.min(value_N)), float(np.max(value_N))
    adds_up = least > 0 and most / least < _WIDEST_RANGE
    return tuple(method for method in CANDIDATES[features] if adds_up or method != "prices")


def make_regressor(method: Method, columns: Columns, *, margin: float = NORMAL_MARGIN) -> Regressor:
    """An unfitted regressor, for values of any size."""
    return AnyScale(_regressor(method, columns, margin))


def _regressor(method: Method, columns: Columns, margin: float) -> Regressor:
    structure, counts = slice(0, columns.structure), slice(columns.structure, columns.counts)
    embedding = slice(columns.counts, None)
    if method == "mixture":
        return _Part(FewShotRegressor(margin=margin), structure)
    if method == "smooth":
        return _Part(SmoothRegressor(margin=margin), structure)
    if method == "additive":
        return _Part(AdditiveRegressor(margin=margin), counts)
    if method == "prices":
        return _Part(PricesRegressor(margin=margin), counts)
    if method == "embedding":
        return _Part(EmbeddingRegressor(margin=margin), embedding)
    parts = (_Part(FewShotRegressor(), structure), _Part(EmbeddingRegressor(), embedding))
    return _Mean(parts, margin)


def cross_validate_method(
    method: Method, columns: Columns, feature_NF: Floats, value_N: Floats
) -> CrossValidation:
    return cross_validate_with(lambda: make_regressor(method, columns), feature_NF, value_N)


def choose_method(
    methods: tuple[Method, ...],
    columns: Columns,
    feature_NF: Floats,
    value_N: Floats,
    group_N: NDArray[np.int64],
) -> tuple[Method, CrossValidation]:
    """The one that ranks held-out observations best, and how well. group_N: as `hold_out` has it."""
    held_out = {
        method: hold_out(partial(make_regressor, method, columns), feature_NF, value_N, group_N)
        for method in methods
    }
    return judge(held_out, value_N, group_N)


class _Part:
    """A regressor that sees some columns of a row."""

    def __init__(self, regressor: Regressor, columns: slice) -> None:
        self._regressor, self._columns = regressor, columns

    def fit(self, feature_NF: Floats, value_N: Floats) -> _Part:
        self._regressor.fit(feature_NF[:, self._columns], value_N)
        return self

    def predict(self, feature_MF: Floats) -> Prediction:
        return self._regressor.predict(feature_MF[:, self._columns])

    def scores(self, value_M: Floats) -> Floats:
        return self._regressor.scores(value_M)


class _Mean:
    """The mean of several scores and spreads."""

    def __init__(self, parts: tuple[Regressor, ...], margin: float) -> None:
        self._parts, self._margin = parts, margin

    def fit(self, feature_NF: Floats, value_N: Floats) -> _Mean:
        for part in self._parts:
            part.fit(feature_NF, value_N)
        self._scale = ScoreScale(value_N)
        return self

    def predict(self, feature_MF: Floats) -> Prediction:
        predictions = [part.predict(feature_MF) for part in self._parts]
        score_M: Floats = np.mean([prediction.score_M for prediction in predictions], axis=0)
        spread_M: Floats = np.mean([prediction.spread_M for prediction in predictions], axis=0)
        return self._scale.prediction(score_M, spread_M, self._margin)

    def scores(self, value_M: Floats) -> Floats:
        return self._scale.scores(value_M)
