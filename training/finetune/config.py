"""What the training of one network may be told."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

from service.errors import InvalidRequest
from service.fine_tuning_options import (
    BATCH_SIZE,
    EPOCHS,
    HEADS,
    IMAGE_SIZE,
    IMAGES,
    LEARNING_RATE,
    NOISE,
    SEED,
    STARTS,
    Head,
    Start,
)
from service.json_pointer import pointer
from training.data.dataset import Dataset
from training.loop.sgd import SgdRecipe

_RANGES = {
    "epochs": EPOCHS,
    "images": IMAGES,
    "image_size": IMAGE_SIZE,
    "learning_rate": LEARNING_RATE,
    "batch_size": BATCH_SIZE,
    "noise": NOISE,
    "seed": SEED,
}
_MAY_BE_ABSENT = ("images", "image_size", "learning_rate")
# GHN-2 paper, section 5: SGD with momentum. A layer that is solved already is left by steps as large.
_LEARNING_RATE, _RATE_OF_SOLVED = 0.025, 0.0025


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuning:
    """A run of `training.finetune.run`. Raises InvalidRequest naming the field.

    start: "predicted", by the GHN `model`; "random"; or "auto": both for a tenth of the epochs, then the one
        that does better on validation images. noise: on predicted weights, see
        `starting_weights.with_noise`.
    head: "solve": the last layer starts as the one that suits the training images best (`solved_head`);
        "keep": predicted where the GHN knows the classes, random elsewhere.
    compare: train from both starts to the end, and keep the better.
    epochs: 0 for the start itself, with statistics of batch norms.
    data, data_dir, mirror, skip_bad: as `data.load_dataset` takes them. images: train on the
        first so many, without it on all.
    image_size: pixels a side; without it what the network was described for.
    learning_rate: of SGD with momentum; falls to zero along a cosine over the epochs. Without it, `rate`.
    seed: of the order and mirroring of the images, of random weights and of the noise.
    """

    data: str = "digits"
    data_dir: str | None = None
    mirror: bool | None = None
    skip_bad: bool = False
    model: str = "ghn2-cifar10"
    start: Start = "auto"
    head: Head = "solve"
    noise: float = 0.0
    compare: bool = False
    epochs: int = 5
    images: int | None = None
    image_size: int | None = None
    learning_rate: float | None = None
    batch_size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in {"start": STARTS, "head": HEADS}.items():
            if getattr(self, name) not in choices:
                raise InvalidRequest(
                    f"There is no {name} {getattr(self, name)!r}.", field=f"/{name}",
                    hint=" or ".join(choices),
                )  # fmt: skip
        for name, accepted in _RANGES.items():
            value = getattr(self, name)
            if value not in accepted and not (value is None and name in _MAY_BE_ABSENT):
                raise InvalidRequest(f"{name} must be {accepted}, got {value!r}.", field=f"/{name}")
        if self.start == "random" and (self.compare or self.noise > 0):
            field = "compare" if self.compare else "noise"
            raise InvalidRequest(
                f"A random start has no use for {field}.", field=f"/{field}", hint="Leave it out."
            )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        unknown = sorted(set(values) - {entry.name for entry in fields(cls)})
        if unknown:
            raise InvalidRequest(f"There is no option {unknown[0]!r}.", field=pointer(unknown[0]))
        return cls(**values)

    def rate(self, head_is_solved: bool) -> float:
        """The learning rate, by the last layer that training starts from where none was chosen."""
        if self.learning_rate is not None:
            return self.learning_rate
        return _RATE_OF_SOLVED if head_is_solved else _LEARNING_RATE

    @property
    def recipe(self) -> SgdRecipe:
        """All but the learning rate, which is `rate`."""
        return SgdRecipe(
            epochs=self.epochs,
            images=self.images,
            batch_size=self.batch_size,
            seed=self.seed,
        )

    def images_of(self, dataset: Dataset) -> int:
        """How many training images are used."""
        return len(dataset.train) if self.images is None else min(self.images, len(dataset.train))
