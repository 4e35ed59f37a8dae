"""Options of the client's calls by name, as the contract declares them (a test compares). What is None, or
not given, is left to the service.
"""

from __future__ import annotations

from typing import TypedDict

from service.contract.finetune import Head, Start
from service.contract.many import Order
from service.contract.predictor import Failed, Features
from service.contract.search import Algorithm


class FitFields(TypedDict, total=False):
    """See `service.contract.predictor.PredictorTraining`."""

    property: str
    features: Features
    ghn: str | None
    failed: Failed


class FineTuneFields(TypedDict, total=False):
    """See `service.contract.finetune.Tuning`."""

    mirror: bool | None
    skip_bad: bool | None
    model: str | None
    start: Start | None
    head: Head | None
    noise: float | None
    compare: bool
    epochs: int | None
    images: int | None
    image_size: int | None
    learning_rate: float | None
    batch_size: int | None
    seed: int


class SearchFields(TypedDict, total=False):
    """See `service.contract.search.SearchOptions`."""

    algorithm: Algorithm
    predictor: str | None
    order: Order
    trade_off: str | None
    evaluations: int | None
    seconds: float | None
    max_parameters: int | None
    max_multiply_adds: int | None
    max_latency: float | None
    latency_predictor: str | None
    seed: int
    top_k: int
    population: int
    sample: int
    data: str | None
    skip_bad: bool
    images: int
    train: int | None
    train_epochs: int
