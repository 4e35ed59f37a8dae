"""What the fitting of predictors may be told."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, FiniteFloat, model_validator

from service.api.training.options import (
    Mirror,
    ModelName,
    Observations,
    Options,
    PropertyName,
    Seed,
    SkipBad,
)


class PredictorTraining(Options):
    """`config` of kind `predictor`: a regressor from your own results, in seconds."""

    observations: Observations
    property: PropertyName = "accuracy"
    features: Literal["structure", "embedding", "both"] = Field(
        default="structure",
        description="What to learn from: counts over a network's structure, its embedding by a GHN, or both.",
    )
    ghn: ModelName | None = Field(default=None, description="The GHN that embeds. Default: the server's.")
    failed: Literal["leave-out", "lowest", "highest"] = Field(
        default="leave-out",
        description="What becomes of trainings that failed (value null): left out, or taken for worse than "
        "all others, at the lower or the upper end of the values.",
    )

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True, exclude={"observations"})


class HyperNASOptions(Options):
    """The network that is trained. See `HyperNASConfig`."""

    space: Literal["nasbench201", "nasbench101"] | None = Field(
        default=None, description="Whose cells it reads; `nasbench201` where nothing is said."
    )
    hidden: int | None = Field(default=None, ge=4, le=512, description="Width of a node state.")
    layers: int | None = Field(default=None, ge=1, le=16, description="Graph convolutions.")
    encoding: Literal["propagated", "isolated", "positional"] | None = Field(
        default=None, description="How a cell knows of the one before it."
    )
    tasks: Literal["both", "accuracy"] | None = Field(
        default=None, description="`accuracy` is the single-task variant, which needs no images."
    )
    preference: FiniteFloat | None = Field(
        default=None, gt=0, le=4, description="q of the multi-task objective."
    )
    channels: int | None = Field(
        default=None, ge=1, le=64, description="Of the networks whose weights are generated."
    )


class HyperNASTraining(Options):
    """`config` of kind `hypernas`. Give `minutes` or `steps`, or neither for a short run."""

    observations: Observations
    property: PropertyName = "accuracy"
    model: HyperNASOptions | None = None
    data: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="Images of the weight task: `digits` where nothing is said, `cifar10`, or the name of a "
        "folder of images in the server's data folder.",
    )
    mirror: Mirror = None
    skip_bad: SkipBad = True
    minutes: FiniteFloat | None = Field(default=None, gt=0, description="Train so long.")
    steps: int | None = Field(default=None, ge=1, le=1_000_000, description="Train so many steps.")
    seed: Seed = 0
    learning_rate: FiniteFloat | None = Field(default=None, gt=0, le=1)
    image_size: int | None = Field(default=None, ge=8, le=64, description="Pixels a side.")
    networks: int | None = Field(default=None, ge=1, le=64, description="Networks of the weight task a step.")
    images: int | None = Field(default=None, ge=1, le=1024, description="Images a network.")
    held_out: FiniteFloat | None = Field(
        default=None, ge=0, le=0.5, description="Share of the observations that measures Kendall's tau."
    )
    from_model: ModelName | None = Field(default=None, description="A HyperNAS model to start from.")

    @model_validator(mode="after")
    def _one_budget(self) -> HyperNASTraining:
        if self.minutes is not None and self.steps is not None:
            raise ValueError("give minutes or steps, one of them")
        return self

    def given(self) -> dict[str, Any]:
        """What was said, and nothing else; the observations travel apart."""
        said = self.model_dump(exclude_none=True, exclude_unset=True, exclude={"observations"})
        return {**said, "property": self.property, "skip_bad": self.skip_bad, "seed": self.seed}
