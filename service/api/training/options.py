"""What the options of all kinds of training jobs share."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from service.api.architectures import Document
from service.image_options import MIRROR, SKIP_BAD

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
PropertyName = Annotated[
    str, Field(min_length=1, max_length=80, description="What the values are, in your own words.")
]
DataName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="`digits`, `cifar10`, or the name of a folder or zip file of images in the server's data "
        "folder, with one sub-folder a class.",
    ),
]
Mirror = Annotated[bool | None, Field(description=MIRROR)]
SkipBad = Annotated[bool, Field(description=f"{SKIP_BAD} The result says which, and how many.")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

FEWEST_OBSERVATIONS, MOST_OBSERVATIONS = 7, 20_000


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImageTraining(Options):
    """What every training on images is told: the images, and one budget."""

    data: DataName = "digits"
    mirror: Mirror = None
    skip_bad: SkipBad = True
    minutes: FiniteFloat | None = Field(default=None, gt=0, description="Train so long.")
    steps: int | None = Field(default=None, ge=1, le=10_000_000, description="Train so many steps.")
    seed: Seed = 0

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give minutes or steps, one of them")
        return self

    def given(self) -> dict[str, Any]:
        """What was said, and nothing else: the trainer's own defaults fill the rest."""
        always = {"data": self.data, "skip_bad": self.skip_bad, "seed": self.seed}
        return self.model_dump(exclude_none=True, exclude_unset=True) | always


class Observation(BaseModel):
    """An architecture that was trained or measured, and what came of it. Higher need not be better. Other
    fields are metadata: what all observations say alike is on the card of the predictor.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    architecture: Document
    value: FiniteFloat | None = Field(description="null: the training failed.")
    name: str | None = Field(default=None, max_length=256)


Observations = Annotated[
    list[Observation], Field(min_length=FEWEST_OBSERVATIONS, max_length=MOST_OBSERVATIONS)
]
