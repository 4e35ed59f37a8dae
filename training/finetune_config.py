"""What the training of one network may be told."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from service.errors import InvalidRequest
from service.fine_tuning_options import (
    BATCH_SIZE,
    EPOCHS,
    IMAGE_SIZE,
    IMAGES,
    LEARNING_RATE,
    NOISE,
    SEED,
)
from service.json_pointer import pointer
from training.baselines import SgdRecipe
from training.data import Dataset

START = ("predicted", "random")
_RANGES = {
    "epochs": EPOCHS,
    "images": IMAGES,
    "image_size": IMAGE_SIZE,
    "learning_rate": LEARNING_RATE,
    "batch_size": BATCH_SIZE,
    "noise": NOISE,
    "seed": SEED,
}
_MAY_BE_ABSENT = ("images", "image_size")


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuning:
    """A run of `training.finetune`. Raises InvalidRequest naming the field.

    start: "predicted", by the GHN `model`, or "random". noise: on predicted weights, see
        `starting_weights.with_noise`.
    compare: train from random parameters as well, in the same way.
    data, data_dir, mirror, skip_bad: as `data.load_dataset` takes them. images: train on the
        first so many, without it on all.
    image_size: pixels a side; without it what the network was described for.
    learning_rate: of SGD with momentum; falls to zero along a cosine over the epochs.
    seed: of the order and mirroring of the images, and of the noise.
    """

    data: str = "digits"
    data_dir: str | None = None
    mirror: bool | None = None
    skip_bad: bool = False
    model: str = "ghn2-cifar10"
    start: Literal["predicted", "random"] = "predicted"
    noise: float = 0.0
    compare: bool = False
    epochs: int = 5
    images: int | None = None
    image_size: int | None = None
    learning_rate: float = 0.025
    batch_size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if self.start not in START:
            raise InvalidRequest(
                f"There is no start {self.start!r}.", field="/start", hint=" or ".join(START)
            )
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

    @property
    def recipe(self) -> SgdRecipe:
        return SgdRecipe(
            epochs=self.epochs,
            images=self.images,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )

    def images_of(self, dataset: Dataset) -> int:
        """How many training images are used."""
        return len(dataset.train) if self.images is None else min(self.images, len(dataset.train))
