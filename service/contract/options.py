"""What the options of all kinds of jobs share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, NotRequired

from typing_extensions import TypedDict

from service.contract.fields import Document, Limits, option

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

MODEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
DATA_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
FEWEST_OBSERVATIONS, MOST_OBSERVATIONS = 7, 20_000

# Data sets that come with Weightcast, or are fetched: they never change.
BUILT_IN_DATA = ("digits", "cifar10", "cifar100")
DATA = f"{', '.join(BUILT_IN_DATA)}, or a folder or zip file of images with one sub-folder a class"
SERVED_DATA = (
    ", ".join(f"`{name}`" for name in BUILT_IN_DATA)
    + ", or the name of a folder or zip file of images in the server's data folder"
)
MIRROR = (
    "Mirror half of the training images at random. Default: yes, unless a class name is a single character: "
    "mirroring changes digits, letters and signs."
)
BFLOAT16 = (
    "Compute in bfloat16 instead of float32. Default: yes, if the processor or the GPU computes in it; "
    "elsewhere it is several times slower."
)
SKIP_BAD = "Skip image files that cannot be read, and class folders without images."


RANKS = "ranks"


class ModelUse(NamedTuple):
    """A model that a job needs. field: the option that names it; name: None for the service's default GHN.
    role: a kind of models, or RANKS for any that scores architectures; another one is refused, for `lacks`.
    """

    field: str
    name: str | None
    role: str
    lacks: str


class Longest(NamedTuple):
    """How long a job may take by its own options: the option that says so, and minutes."""

    field: str
    minutes: float


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a kind of job. Unknown ones are refused; null means the default."""

    __pydantic_config__: ClassVar[Mapping[str, object]] = {"extra": "forbid"}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(_without_nulls, handler(source))

    def models(self) -> Iterator[ModelUse]:
        """The models that must be there."""
        yield from ()

    def longest(self) -> Longest | None:
        """None where what is given bounds the job."""
        return None

    def about(self) -> Mapping[str, object]:
        """Fields of the job's `about`, by which it is found in a list."""
        return {}


def _without_nulls(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Budget(Options):
    """When training ends: after `minutes` or after `steps`. Exactly one of them is given."""

    minutes: float | None = field(
        default=None, metadata=option("Time budget in minutes.", gt=0, allow_inf_nan=False)
    )
    steps: int | None = field(default=None, metadata=option("Budget in training steps.", ge=1, le=10_000_000))

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give minutes or steps, one of them")

    def longest(self) -> Longest:
        return Longest("minutes", self.minutes or 0)


@dataclass(frozen=True, kw_only=True)
class Images(Options):
    """Images that something learns from."""

    data: str = field(
        default="digits",
        metadata=option(f"{SERVED_DATA}, with one sub-folder a class.", pattern=DATA_NAME),
    )
    mirror: bool | None = field(default=None, metadata=option(MIRROR))
    skip_bad: bool = field(default=True, metadata=option(f"{SKIP_BAD} The result lists what was skipped."))


@dataclass(frozen=True, kw_only=True)
class Seeded(Options):
    """Equal seeds give equal results."""

    seed: int = field(default=0, metadata=option("Equal seeds give equal results.", ge=0, lt=2**32))


@dataclass(frozen=True, kw_only=True)
class ImageTraining(Seeded, Budget, Images):
    """What every training on images is told: the images, and one budget."""


class Observation(TypedDict):
    """An architecture that was trained or measured, and what came of it. Higher need not be better. Other
    fields are metadata: what all observations say alike is on the card of the predictor.
    """

    architecture: Document
    value: Annotated[
        Annotated[float, Limits(allow_inf_nan=False)] | None, Limits("null: the training failed.")
    ]
    name: NotRequired[Annotated[str, Limits(max_length=256)] | None]


# What `pydantic.with_config` does, without loading pydantic.
Observation.__pydantic_config__ = {"extra": "allow"}  # type: ignore[attr-defined]

# These options may be large: they travel beside a job, whose record stays small.
APART = ("observations", "architecture")


@dataclass(frozen=True, kw_only=True)
class OneNetwork(Options):
    """One network that something is done with."""

    architecture: Document = field(
        metadata=option("The network. Its last layer needs one output for each class of the data.")
    )


@dataclass(frozen=True, kw_only=True)
class Observed(Options):
    """Observations that something learns from."""

    observations: tuple[Observation, ...] = field(
        metadata=option(
            "Architectures with their measured values, to learn from.",
            min_length=FEWEST_OBSERVATIONS,
            max_length=MOST_OBSERVATIONS,
        )
    )
    property: str = field(
        default="accuracy",
        metadata=option("What the values are, in your own words.", min_length=1, max_length=80),
    )

    def about(self) -> Mapping[str, object]:
        return {"architectures": len(self.observations)}
