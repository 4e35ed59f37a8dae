"""What the training of a SMASH hypernetwork may be told."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, FiniteFloat

from service.api.training.options import ImageTraining, Options


def _different(values: list[int]) -> list[int]:
    if len(set(values)) < len(values):
        raise ValueError("a value twice")
    return values


def _odd(values: list[int]) -> list[int]:
    if any(value % 2 == 0 for value in values):
        raise ValueError("a kernel that is even")
    return values


def _with_one(values: list[int]) -> list[int]:
    if 1 not in values:
        raise ValueError("1 must be among them")
    return values


_Dilations = Annotated[
    list[Annotated[int, Field(ge=1, le=16)]], Field(min_length=1, max_length=4), AfterValidator(_different)
]
_Groups = Annotated[
    list[Annotated[int, Field(ge=1, le=64)]],
    Field(min_length=1, max_length=4),
    AfterValidator(_different),
    AfterValidator(_with_one),
]
_Kernels = Annotated[
    list[Annotated[int, Field(ge=1, le=7)]],
    Field(min_length=1, max_length=4),
    AfterValidator(_different),
    AfterValidator(_odd),
]

_LEAST_PIXELS = 8


class SmashOptions(Options):
    """The space, and the hypernetwork. See `SmashConfig`."""

    unit: int | None = Field(
        default=None, ge=1, le=8, description="Channels that a cell of the conditioning tensor stands for."
    )
    blocks: int | None = Field(default=None, ge=1, le=4, description="Of every network.")
    banks: int | None = Field(default=None, ge=1, le=8, description="Most memory banks of a block.")
    bank_units: int | None = Field(
        default=None, ge=1, le=16, description="Most channels of a bank, in units."
    )
    layer_units: int | None = Field(
        default=None, ge=1, le=16, description="Most channels inside a layer, in units."
    )
    layers: int | None = Field(default=None, ge=1, le=12, description="Most layers of a block.")
    kernels: _Kernels | None = Field(default=None, description="Of the convolutions inside the layers.")
    dilations: _Dilations | None = None
    groups: _Groups | None = None
    hidden: int | None = Field(default=None, ge=4, le=256, description="Width of the hypernetwork.")
    depth: int | None = Field(default=None, ge=1, le=16, description="Its residual convolutions.")


class SmashTraining(ImageTraining):
    """`config` of kind `smash`. Give `minutes` or `steps`."""

    model: SmashOptions | None = None
    learning_rate: FiniteFloat | None = Field(default=None, gt=0, le=1)
    weight_decay: FiniteFloat | None = Field(default=None, ge=0, le=1)
    warmup_steps: int | None = Field(default=None, ge=0, le=100_000)
    clip: FiniteFloat | None = Field(default=None, gt=0, le=1e6, description="Largest gradient norm.")
    image_size: int | None = Field(default=None, ge=_LEAST_PIXELS, le=64, description="Pixels a side.")
    networks: int | None = Field(default=None, ge=1, le=64, description="Random architectures a step.")
    images: int | None = Field(default=None, ge=2, le=1024, description="Images a network.")
    validate_steps: int | None = Field(
        default=None, ge=0, le=1_000_000, description="Steps between measurements; 0: at the end alone."
    )
    validate_networks: int | None = Field(
        default=None, ge=1, le=200, description="How many architectures are measured, always the same."
    )
    validate_images: int | None = Field(default=None, ge=2, le=10_000)
    log_steps: int | None = Field(default=None, ge=1, le=10_000)
    checkpoint_minutes: FiniteFloat | None = Field(default=None, gt=0, le=1440)
