"""What the options of all kinds of training jobs share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
PropertyName = Annotated[
    str, Field(min_length=1, max_length=80, description="What the values are, in your own words.")
]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

FEWEST_OBSERVATIONS, MOST_OBSERVATIONS = 7, 20_000


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Observation(Options):
    """An architecture that was trained or measured, and what came of it. Higher need not be better."""

    architecture: dict[str, Any] = Field(description="As `architecture` of POST /predict-weights takes one.")
    value: FiniteFloat
    name: str | None = Field(default=None, max_length=256)


Observations = Annotated[
    list[Observation], Field(min_length=FEWEST_OBSERVATIONS, max_length=MOST_OBSERVATIONS)
]
