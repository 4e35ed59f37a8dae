"""Training one network from the weights that a GHN predicts for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from service.contract.fields import option
from service.contract.options import MODEL_NAME, Images, ModelUse, OneNetwork, Seeded

Start = Literal["auto", "predicted", "random"]
Head = Literal["solve", "keep"]

# Large steps of AdamW undo a solved last layer; a training that is too short to come back takes smaller ones
# (docs/finetuning.md).
LEARNING_RATE = 0.002
STEPS_OF_FULL_RATE, LEAST_SHARE = 200, 0.1
# Of the steps, until the learning rate is reached.
WARMUP = 0.2


@dataclass(frozen=True, kw_only=True)
class Tuning(Seeded, Images):
    """How one network is trained."""

    model: str | None = field(
        default=None,
        metadata=option("The GHN that predicts the start. Default: the server's.", pattern=MODEL_NAME),
    )
    start: Start = field(
        default="auto",
        metadata=option(
            "Weights to start from. `auto`: train from predicted and from random weights for a tenth of the "
            "epochs, then continue with the one that is better on validation images."
        ),
    )
    head: Head = field(
        default="solve",
        metadata=option(
            "The last layer at the start. `solve`: computed from the training images in closed form. `keep`: "
            "predicted if the GHN was trained on these data, random otherwise."
        ),
    )
    noise: float = field(
        default=0.0,
        metadata=option(
            "Noise to add to predicted weights, in standard deviations of each tensor. It makes copies of a "
            "channel differ.",
            ge=0, le=10, allow_inf_nan=False,
        ),
    )  # fmt: skip
    compare: bool = field(
        default=False,
        metadata=option(
            "Train from predicted and from random weights to the end, and keep the better.",
        ),
    )
    epochs: int = field(
        default=5,
        metadata=option("Passes over the images. 0: no training, only the start.", ge=0, le=1000),
    )
    images: int | None = field(default=None, metadata=option("Train on the first N images only.", ge=2))
    image_size: int | None = field(
        default=None,
        metadata=option(
            "Height and width of the images, in pixels. Default: the input shape of the network.",
            ge=1,
            le=512,
        ),
    )
    # A step of AdamW changes a weight by about the rate: one of 10 leaves nothing of any network.
    learning_rate: float | None = field(
        default=None,
        metadata=option(
            f"Learning rate of AdamW. It is reached after {WARMUP:.0%} of the steps, and falls to zero along "
            f"a cosine. Default: {LEARNING_RATE}; with a solved last layer less in fewer than "
            f"{STEPS_OF_FULL_RATE} steps ({LEARNING_RATE * LEAST_SHARE} at least).",
            ge=1e-9, le=10, allow_inf_nan=False,
        ),
    )  # fmt: skip
    batch_size: int = field(
        default=64, metadata=option("Images per step; all if there are fewer.", ge=2, le=4096)
    )

    def __post_init__(self) -> None:
        if self.start == "random" and (self.compare or self.noise):
            raise ValueError("a random start has no use for `compare` and `noise`")

    def models(self) -> Iterator[ModelUse]:
        if self.start != "random":
            yield ModelUse("model", self.model, "ghn", "it predicts no weights")

    def about(self) -> Mapping[str, object]:
        return {"model": self.model}


@dataclass(frozen=True, kw_only=True)
class FineTuneOptions(Tuning, OneNetwork):
    """`config` of kind `finetune`: train a network on your images from the weights that a GHN predicts."""
