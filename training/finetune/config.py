"""What the training of one network may be told."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from service.contract.finetune import (
    LEARNING_RATE,
    LEAST_SHARE,
    STEPS_OF_FULL_RATE,
    WARMUP,
    Tuning,
)
from service.settings import get_settings
from training.data.dataset import Dataset
from training.loop.recipes import AdamRecipe


@dataclass(frozen=True, kw_only=True)
class FineTuning(Tuning):
    """A run of `training.finetune.run`.

    start: "predicted", by the GHN `model`; "random"; or "auto": both for a tenth of the epochs, then the one
        that does better on validation images. noise: on predicted weights, see
        `starting_weights.with_noise`.
    head: "solve": the last layer starts as the one that suits the training images best (`solved_head`);
        "keep": predicted where the GHN knows the classes, random elsewhere.
    compare: train from both starts to the end, and keep the better.
    epochs: 0 for the start itself, with statistics of batch norms.
    data, data_dir, mirror, skip_bad: as `load.load_dataset` takes them. images: train on the
        first so many, without it on all.
    image_size: pixels a side; without it what the network was described for.
    learning_rate: of AdamW; rises for WARMUP of the steps and falls to zero along a cosine. Without it,
        `rate`.
    seed: of the order and mirroring of the images, of random weights and of the noise.
    """

    data_dir: str | None = None
    model: str = field(default_factory=lambda: get_settings().default_model)

    def rate(self, head_is_solved: bool, steps: int) -> float:
        """The learning rate; where none was chosen, by the last layer that training starts from and the steps
        of the whole training.
        """
        if self.learning_rate is not None:
            return self.learning_rate
        share = min(1.0, max(LEAST_SHARE, steps / STEPS_OF_FULL_RATE)) if head_is_solved else 1.0
        return LEARNING_RATE * share

    @property
    def recipe(self) -> AdamRecipe:
        """All but the learning rate, which is `rate`."""
        return AdamRecipe(
            epochs=self.epochs,
            images=self.images,
            batch_size=self.batch_size,
            warmup=WARMUP,
            seed=self.seed,
        )

    def images_of(self, dataset: Dataset) -> int:
        """How many training images are used."""
        return len(dataset.train) if self.images is None else min(self.images, len(dataset.train))


def tuning(options: Tuning, model: str, *, data_dir: str) -> FineTuning:
    """The run that the options ask for. model: the GHN that predicts the start."""
    shared = {entry.name: getattr(options, entry.name) for entry in fields(Tuning)}
    return FineTuning(**{**shared, "model": model, "data_dir": data_dir})
