"""What the training of one network may be told."""

from __future__ import annotations

from typing import Any

from pydantic import Field, FiniteFloat, model_validator

from service.api.architectures import Document
from service.api.training.options import DataName, Mirror, ModelName, Options, Seed, SkipBad
from service.fine_tuning_options import (
    BATCH_SIZE,
    EPOCHS,
    IMAGE_SIZE,
    IMAGES,
    LEARNING_RATE,
    NOISE,
    Head,
    Start,
)


class FineTuneOptions(Options):
    """`config` of kind `finetune`: train a network on your images from the weights that a GHN predicts."""

    architecture: Document = Field(
        description="The network. Its last layer has as many outputs as the data have classes."
    )
    data: DataName = "digits"
    mirror: Mirror = None
    skip_bad: SkipBad = True
    model: ModelName | None = Field(
        default=None, description="The GHN that predicts the start. Default: the server's."
    )
    start: Start = Field(
        default="auto",
        description="What training starts from; `auto`: both starts for a tenth of the epochs, then the one "
        "that does better on validation images.",
    )
    head: Head = Field(
        default="solve",
        description="The last layer at the start. `solve`: the one that suits the training images best, in "
        "closed form. `keep`: predicted by a GHN that was trained on these data, random otherwise.",
    )
    noise: FiniteFloat | None = Field(
        default=None,
        ge=NOISE.least,
        le=NOISE.most,
        description="Noise on predicted weights, in standard deviations of each tensor: tells copies of a "
        "channel apart.",
    )
    compare: bool = Field(
        default=False, description="Train from both starts to the end, and keep the better."
    )
    epochs: int | None = Field(
        default=None, ge=EPOCHS.least, le=EPOCHS.most, description="0: the start itself, ready to run."
    )
    images: int | None = Field(
        default=None, ge=IMAGES.least, description="Train on the first so many images."
    )
    image_size: int | None = Field(
        default=None,
        ge=IMAGE_SIZE.least,
        le=IMAGE_SIZE.most,
        description="Pixels a side. Default: what the network was described for.",
    )
    learning_rate: FiniteFloat | None = Field(
        default=None,
        ge=LEARNING_RATE.least,
        le=LEARNING_RATE.most,
        description="Of SGD with momentum; falls to zero along a cosine. Default: 0.0025 after a solved last "
        "layer, 0.025 otherwise.",
    )
    batch_size: int | None = Field(default=None, ge=BATCH_SIZE.least, le=BATCH_SIZE.most)
    seed: Seed = 0

    @model_validator(mode="after")
    def _random_is_not_predicted(self) -> FineTuneOptions:
        if self.start == "random" and (self.compare or self.noise):
            raise ValueError("a random start has no use for `compare` and `noise`")
        return self

    def given(self) -> dict[str, Any]:
        """What was said, and nothing else; the architecture travels apart."""
        said = self.model_dump(exclude_none=True, exclude_unset=True, exclude={"architecture"})
        return {**said, "data": self.data, "skip_bad": self.skip_bad, "seed": self.seed}
