"""Training one network from the weights that a GHN predicts for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from service.contract.fields import option
from service.contract.options import MODEL_NAME, Images, ModelUse, OneNetwork, Seeded

Start = Literal["auto", "predicted", "random"]
Head = Literal["solve", "keep"]


@dataclass(frozen=True, kw_only=True)
class Tuning(Seeded, Images):
    """How a network is trained, whichever it is."""

    model: str | None = field(
        default=None,
        metadata=option("The GHN that predicts the start. Default: the server's.", pattern=MODEL_NAME),
    )
    start: Start = field(
        default="auto",
        metadata=option(
            "What training starts from; `auto`: both starts for a tenth of the epochs, then the one that "
            "does better on validation images."
        ),
    )
    head: Head = field(
        default="solve",
        metadata=option(
            "The last layer at the start. `solve`: the one that suits the training images best, in closed "
            "form. `keep`: predicted by a GHN that was trained on these data, random otherwise."
        ),
    )
    noise: float = field(
        default=0.0,
        metadata=option(
            "Noise on predicted weights, in standard deviations of each tensor: tells copies of a channel "
            "apart.",
            ge=0, le=10, allow_inf_nan=False,
        ),
    )  # fmt: skip
    compare: bool = field(
        default=False, metadata=option("Train from both starts to the end, and keep the better.")
    )
    epochs: int = field(
        default=5,
        metadata=option("Passes over the images; 0: the start itself, ready to run.", ge=0, le=1000),
    )
    images: int | None = field(
        default=None, metadata=option("Train on the first N images only.", ge=2)
    )
    image_size: int | None = field(
        default=None,
        metadata=option("Pixels a side. Default: what the network was described for.", ge=1, le=512),
    )
    # SGD on a loss of a few nats, with gradients clipped at 5: ten of the largest steps end any network.
    learning_rate: float | None = field(
        default=None,
        metadata=option(
            "Of SGD with momentum; falls to zero along a cosine. Default: 0.0025 after a solved last layer, "
            "0.025 otherwise.",
            ge=1e-9, le=10, allow_inf_nan=False,
        ),
    )  # fmt: skip
    batch_size: int = field(default=64, metadata=option("Images a step.", ge=2, le=4096))

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
