"""Training a HyperNAS predictor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import sqrt
from typing import Literal

from service.contract.fields import option
from service.contract.options import (
    DATA_NAME,
    MODEL_NAME,
    SERVED_DATA,
    Budget,
    Images,
    ModelUse,
    Observed,
    Options,
    Seeded,
)

Space = Literal["nasbench201", "nasbench101", "darts"]
NO_WEIGHTS = "for the space darts, tasks must be accuracy: weights are generated for benchmark cells alone"
Encoding = Literal["propagated", "isolated", "positional"]


@dataclass(frozen=True, kw_only=True)
class Network(Options):
    """The network to train: options of the API, the client and the command line alike."""

    space: Space = field(default="nasbench201", metadata=option("The space whose cells it reads."))
    hidden: int = field(default=32, metadata=option("Width of a node state.", ge=4, le=512))
    layers: int = field(default=3, metadata=option("Number of graph convolutions.", ge=1, le=16))
    encoding: Encoding = field(
        default="propagated",
        metadata=option(
            "How a cell is encoded. `propagated`: with the feature of the cell before it; `isolated`: alone; "
            "`positional`: with a learned vector for its place."
        ),
    )
    preference: float = field(
        default=1.5,
        metadata=option("Exponent q of the multi-task objective.", gt=0, le=4, allow_inf_nan=False),
    )
    channels: int = field(
        default=8, metadata=option("Channels of the networks whose weights are generated.", ge=1, le=64)
    )


@dataclass(frozen=True, kw_only=True)
class HyperNASOptions(Network):
    """The network that is trained."""

    tasks: Literal["both", "accuracy"] = field(
        default="both",
        metadata=option(
            "`accuracy`: the variant without the weight task; it needs no images. The only one for `darts`.",
        ),
    )

    def __post_init__(self) -> None:
        if self.space == "darts" and self.tasks != "accuracy":
            raise ValueError(NO_WEIGHTS)


@dataclass(frozen=True, kw_only=True)
class Schedule(Seeded, Budget, Images):
    """How it is trained."""

    data: str = field(
        default="digits",
        metadata=option(f"Images for the weight task: {SERVED_DATA}.", pattern=DATA_NAME),
    )
    steps: int | None = field(default=None, metadata=option("Budget in training steps.", ge=1, le=1_000_000))
    learning_rate: float = field(
        default=0.015,
        metadata=option("Highest learning rate.", gt=0, le=1, allow_inf_nan=False),
    )
    image_size: int = field(
        default=16,
        metadata=option(
            "Height and width of the images, in pixels.",
            ge=8,
            le=64,
        ),
    )
    networks: int = field(default=1, metadata=option("Networks of the weight task per step.", ge=1, le=64))
    images: int = field(default=32, metadata=option("Images per network and step.", ge=1, le=1024))
    held_out: float = field(
        default=0.2,
        metadata=option(
            "Share of the observations to hold out for Kendall's tau.", ge=0, le=0.5, allow_inf_nan=False
        ),
    )
    from_model: str | None = field(
        default=None, metadata=option("HyperNAS model to start from.", pattern=MODEL_NAME)
    )


@dataclass(frozen=True, kw_only=True)
class HyperNASTraining(Schedule, Observed):
    """`config` of kind `hypernas`. Give `minutes` or `steps`, or neither for a short run."""

    model: HyperNASOptions = HyperNASOptions()

    def __post_init__(self) -> None:
        if self.minutes is not None and self.steps is not None:
            raise ValueError("give minutes or steps, one of them")

    def models(self) -> Iterator[ModelUse]:
        if self.from_model is not None:
            yield ModelUse("from_model", self.from_model, "hypernas", "a HyperNAS cannot start from it")


def steps_for(observations: int) -> int:
    """Training steps for a number of observations: more observations need more steps. The rule was chosen on
    validation cells of NAS-Bench-201: 250 steps for 39 observations, more than 300 for 469.
    """
    return max(250, round(40 * sqrt(observations)))
