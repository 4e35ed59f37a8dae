"""What a training run of a HyperNAS predictor does.

A run is a function of this configuration and its observations: what happens at a step depends on the step's
number, never on the state of a random generator.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any

from service.predictors.hypernas.config import HyperNASConfig
from training.loop.budget import Budgeted, falling_rate

_POSITIVE = ("batch", "image_size", "networks", "weight_steps", "images", "log_steps")


@dataclass(frozen=True, kw_only=True)
class HyperNASTraining(Budgeted):
    """Give minutes or steps.

    model: fields of HyperNASConfig that differ from its defaults.
    learning_rate: the highest, after a linear warm-up; falls along a cosine to zero. clip: largest gradient
        norm. batch: most observations of a step.
    data, data_dir, mirror, skip_bad: of the weight task, as `data.load_dataset` takes them; images of
        `image_size` pixels. One step in
        `weight_steps` (every step, where weights are the only task) generates the weights of `networks`
        random architectures of the space and runs each on `images` images. Not used by the single-task
        variant.
    from_model: name of a model to start from: what it has of this model's parameters is copied.
    held_out: share of the observations that is kept back to measure Kendall's tau.
    """

    name: str = "hypernas"
    model: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    learning_rate: float = 0.015
    weight_decay: float = 1e-2
    warmup_steps: int = 10
    clip: float = 5.0
    batch: int = 64
    data: str = "cifar10"
    data_dir: str | None = None
    mirror: bool | None = None
    skip_bad: bool = False
    image_size: int = 16
    networks: int = 1
    weight_steps: int = 4
    images: int = 32
    from_model: str | None = None
    held_out: float = 0.0
    log_steps: int = 10
    checkpoint_minutes: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_positive(_POSITIVE)
        if not 0 <= self.held_out <= 0.5:
            raise ValueError(f"held_out must be 0 to 0.5, got {self.held_out}")
        HyperNASConfig(**self.model)  # what is wrong with the model is refused now, not at the first step

    @property
    def hypernas(self) -> HyperNASConfig:
        return HyperNASConfig(**self.model)

    def for_classes(self, count: int) -> HyperNASTraining:
        """With networks of so many classes, unless the model says how many it has."""
        return replace(self, model={"num_classes": count, **self.model})

    def rate(self, step: int, progress: float) -> float:
        """Learning rate at a step, when `progress` (0 to 1) of the budget is used."""
        return falling_rate(step, progress, highest=self.learning_rate, warmup_steps=self.warmup_steps)


def steps_for(observations: int) -> int:
    """Steps for so many observations: more of them bear, and need, more. From validation cells of
    NAS-Bench-201: 250 at 39, and at 469 more than 300.
    """
    return max(250, round(40 * sqrt(observations)))
