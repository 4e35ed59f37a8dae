"""Searching a space for good architectures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from service.contract.fields import option
from service.contract.many import Order
from service.contract.options import (
    DATA_NAME,
    MODEL_NAME,
    SERVED_DATA,
    SKIP_BAD,
    Longest,
    ModelUse,
    Seeded,
)
from service.contract.scoring import IMAGES, PREDICTOR_NAME, STRUCTURE, check_images, scorer

Space = Literal[
    "nasbench201", "nasbench101", "nats_size", "nasbench_macro", "darts", "smash", "ghn1", "anytime"
]
Algorithm = Literal["evolution", "random"]


class SearchSpace(NamedTuple):
    """title: for people. factory: what draws its networks, `module:factory`, loaded where it searches."""

    title: str
    factory: str


SPACES: dict[Space, SearchSpace] = {
    "nasbench201": SearchSpace("NAS-Bench-201", "service.search.nasbench:NASBench201Space"),
    "nasbench101": SearchSpace("NAS-Bench-101", "service.search.nasbench:NASBench101Space"),
    "nats_size": SearchSpace("NATS-Bench sizes", "service.search.choices:nats_size_space"),
    "nasbench_macro": SearchSpace("NAS-Bench-Macro", "service.search.choices:nasbench_macro_space"),
    "darts": SearchSpace("DARTS", "service.search.darts:DartsSpace"),
    "smash": SearchSpace("SMASH memory banks", "service.search.smash:SmashSpace"),
    "ghn1": SearchSpace("GHN-1 blocks", "service.search.ghn1:GHN1Space"),
    "anytime": SearchSpace("Networks with early exits", "service.search.anytime:AnytimeSpace"),
}

# Costs that can be counted; everything else that is traded for is a predictor's name.
PARAMETERS, MULTIPLY_ADDS = "parameters", "multiply_adds"
COUNTED = (PARAMETERS, MULTIPLY_ADDS)
# What scores without a model.
BUILT_IN = (STRUCTURE, *COUNTED)


@dataclass(frozen=True, kw_only=True)
class SearchOptions(Seeded):
    """`config` of kind `search`. Give `evaluations`, `seconds`, or both: whichever ends first."""

    space: Space = field(metadata=option("The space to search."))
    algorithm: Algorithm = field(
        default="evolution",
        metadata=option("`evolution`: regularised evolution (Real et al. 2019); `random`: random draws."),
    )
    predictor: str | None = field(
        default=None,
        metadata=option(
            "The predictor that scores architectures, as in POST /rank-architectures.", pattern=PREDICTOR_NAME
        ),
    )
    order: Order | None = field(
        default=None,
        metadata=option(
            "`ascending`: low values are better. Default: `ascending` for latency, convergence, loss and "
            "error, `descending` for everything else."
        ),
    )
    trade_off: str | None = field(
        default=None,
        metadata=option(
            "A second objective, to be minimised: `parameters`, `multiply_adds`, or the name of a predictor. "
            "The result then has the Pareto front.",
            pattern=MODEL_NAME,
        ),
    )
    evaluations: int | None = field(
        default=None, metadata=option("Number of architectures to score.", ge=1, le=1_000_000)
    )
    seconds: float | None = field(
        default=None, metadata=option("Time budget in seconds.", gt=0, allow_inf_nan=False)
    )
    max_parameters: int | None = field(default=None, metadata=option("Most trainable parameters.", ge=1))
    max_multiply_adds: int | None = field(
        default=None, metadata=option("Most multiply-adds for one input.", ge=1)
    )
    max_latency: float | None = field(
        default=None,
        metadata=option(
            "Highest predicted latency, in the units of `latency_predictor`.",
            gt=0,
            allow_inf_nan=False,
        ),
    )
    latency_predictor: str | None = field(
        default=None,
        metadata=option("A predictor that was fitted on latencies, for `max_latency`.", pattern=MODEL_NAME),
    )
    data: str | None = field(
        default=None,
        metadata=option(f"Images for generated weights and for `train`: {SERVED_DATA}.", pattern=DATA_NAME),
    )
    skip_bad: bool = field(default=True, metadata=option(SKIP_BAD))
    images: int = field(
        default=IMAGES, metadata=option("Number of validation images for each score.", ge=2, le=100_000)
    )
    train: int | None = field(
        default=None,
        metadata=option(
            "At the end, train the best N and N random architectures, and compare them on test images.",
            ge=2, le=50,
        ),
    )  # fmt: skip
    train_epochs: int = field(
        default=5, metadata=option("Epochs of each training of `train`.", ge=1, le=1000)
    )
    top_k: int = field(default=10, metadata=option("Number of best architectures to return.", ge=1, le=1000))
    population: int = field(
        default=50, metadata=option("For `evolution`: size of the population.", ge=2, le=10_000)
    )
    sample: int = field(
        default=10, metadata=option("For `evolution`: number of candidates for each parent.", ge=1, le=10_000)
    )

    def __post_init__(self) -> None:
        if self.evaluations is None and self.seconds is None:
            raise ValueError("give evaluations, seconds, or both")
        if (self.max_latency is None) != (self.latency_predictor is None):
            raise ValueError("give max_latency and latency_predictor, or neither")
        check_images(self.predictor, self.data, also=self.train is not None)

    def models(self) -> Iterator[ModelUse]:
        for name in ("predictor", "trade_off", "latency_predictor"):
            model = getattr(self, name)
            if model is not None and model not in BUILT_IN:
                parts = scorer(model)
                yield ModelUse(name, parts.model, parts.role, parts.lacks)

    def longest(self) -> Longest:
        return Longest("seconds", (self.seconds or 0) / 60)

    def about(self) -> Mapping[str, object]:
        return {"space": self.space, "model": self.predictor}
