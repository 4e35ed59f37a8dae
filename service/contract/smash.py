"""Training a SMASH hypernetwork."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from service.contract.fields import Check, Limits, option
from service.contract.options import BFLOAT16, ImageTraining, Options

_LEAST_PIXELS = 8


def _different(values: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(values)) < len(values):
        raise ValueError("a value twice")
    return values


def _odd(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(value % 2 == 0 for value in values):
        raise ValueError("a kernel that is even")
    return values


def _with_one(values: tuple[int, ...]) -> tuple[int, ...]:
    if 1 not in values:
        raise ValueError("1 must be among them")
    return values


@dataclass(frozen=True, kw_only=True)
class SmashOptions(Options):
    """The space of networks, as upper bounds on what varies in them, and the size of the hypernetwork."""

    unit: int = field(
        default=8,
        metadata=option("Channels for each cell of the conditioning tensor.", ge=1, le=8),
    )
    blocks: int = field(default=3, metadata=option("Blocks of every network.", ge=1, le=4))
    banks: int = field(default=4, metadata=option("Most memory banks of a block.", ge=1, le=8))
    bank_units: int = field(default=2, metadata=option("Most channels of a bank, in units.", ge=1, le=16))
    layer_units: int = field(
        default=2, metadata=option("Most channels inside a layer, in units.", ge=1, le=16)
    )
    layers: int = field(default=4, metadata=option("Most layers of a block.", ge=1, le=12))
    kernels: Annotated[tuple[Annotated[int, Limits(ge=1, le=7)], ...], Check(_different), Check(_odd)] = (
        field(
            default=(3, 5),
            metadata=option("Kernel sizes of the convolutions inside layers.", min_length=1, max_length=4),
        )
    )
    dilations: Annotated[tuple[Annotated[int, Limits(ge=1, le=16)], ...], Check(_different)] = field(
        default=(1, 2),
        metadata=option(
            "Dilations of the convolutions inside layers.",
            min_length=1,
            max_length=4,
        ),
    )
    groups: Annotated[
        tuple[Annotated[int, Limits(ge=1, le=64)], ...], Check(_different), Check(_with_one)
    ] = field(
        default=(1, 2),
        metadata=option("Groups of these convolutions; must include 1.", min_length=1, max_length=4),
    )
    hidden: int = field(default=48, metadata=option("Width of the hypernetwork.", ge=4, le=256))
    depth: int = field(default=4, metadata=option("Residual convolutions of the hypernetwork.", ge=1, le=16))


@dataclass(frozen=True, kw_only=True)
class SmashTraining(ImageTraining):
    """`config` of kind `smash`. Give `minutes` or `steps`."""

    model: SmashOptions = SmashOptions()
    learning_rate: float = field(
        default=0.01,
        metadata=option(
            "Highest learning rate, after a linear warm-up; falls along a cosine to zero.",
            gt=0, le=1, allow_inf_nan=False,
        ),
    )  # fmt: skip
    weight_decay: float = field(
        default=1e-4,
        metadata=option("Weight decay of the optimizer.", ge=0, le=1, allow_inf_nan=False),
    )
    warmup_steps: int = field(
        default=20,
        metadata=option("Steps of warm-up to the highest learning rate.", ge=0, le=100_000),
    )
    clip: float = field(
        default=5.0, metadata=option("Largest gradient norm.", gt=0, le=1e6, allow_inf_nan=False)
    )
    image_size: int = field(
        default=16,
        metadata=option(
            "Height and width of the images, in pixels.",
            ge=_LEAST_PIXELS,
            le=64,
        ),
    )
    networks: int = field(default=1, metadata=option("Random architectures per step.", ge=1, le=64))
    images: int = field(default=64, metadata=option("Images per network and step.", ge=2, le=1024))
    validate_steps: int = field(
        default=200,
        metadata=option("Steps between measurements of accuracy; 0: only at the end.", ge=0, le=1_000_000),
    )
    validate_networks: int = field(
        default=8, metadata=option("Number of architectures to measure, always the same ones.", ge=1, le=200)
    )
    validate_images: int = field(
        default=500, metadata=option("Number of validation images to measure on.", ge=2, le=10_000)
    )
    bfloat16: bool | None = field(default=None, metadata=option(BFLOAT16))
    log_steps: int = field(default=10, metadata=option("Steps between logged losses.", ge=1, le=10_000))
    checkpoint_minutes: float = field(
        default=1.0,
        metadata=option("Minutes between checkpoints.", gt=0, le=1440, allow_inf_nan=False),
    )
