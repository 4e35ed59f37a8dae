"""What a training run of a SMASH hypernetwork does. What happens at a step depends on its number alone,
never on the state of a random generator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from service.predictors.smash.config import SmashConfig
from training.loop.budget import Budgeted, falling_rate

_POSITIVE = ("image_size", "networks", "images", "validate_networks", "validate_images", "log_steps")


@dataclass(frozen=True, kw_only=True)
class SmashTraining(Budgeted):
    """Give minutes or steps.

    model: fields of SmashConfig that differ from its defaults; the classes are those of the data.
    learning_rate: the highest, after a linear warm-up; falls along a cosine to zero. clip: largest gradient
        norm.
    data, data_dir, mirror, skip_bad: as `data.load_dataset` takes them; images of `image_size`
        pixels. A step samples `networks` random architectures and runs each on `images` images.
    validate_steps: steps between measurements of `validate_networks` architectures, always the same, on
        `validate_images` validation images; 0: at the end alone.
    """

    name: str = "smash"
    model: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    learning_rate: float = 0.01
    weight_decay: float = 1e-4
    warmup_steps: int = 20
    clip: float = 5.0
    data: str = "digits"
    data_dir: str | None = None
    mirror: bool | None = None
    skip_bad: bool = False
    image_size: int = 16
    networks: int = 1
    images: int = 64
    validate_steps: int = 200
    validate_networks: int = 8
    validate_images: int = 500
    log_steps: int = 10
    checkpoint_minutes: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_positive(_POSITIVE)
        if self.images < 2:
            raise ValueError("batch normalisation needs images of at least 2")
        if self.validate_steps < 0 or self.warmup_steps < 0:
            raise ValueError("validate_steps and warmup_steps must not be negative")
        if "num_classes" in self.model:
            raise ValueError("the classes are those of the data: leave num_classes out of the model")
        blocks = self.smash(1).blocks  # what is wrong with the model is refused now, not at the first step
        if self.image_size < 2 ** (blocks - 1):
            raise ValueError(f"images of {self.image_size} pixels cannot be halved {blocks - 1} times")

    def smash(self, num_classes: int) -> SmashConfig:
        return SmashConfig(**self.model, num_classes=num_classes)

    def rate(self, step: int, progress: float) -> float:
        """Learning rate at a step, when `progress` (0 to 1) of the budget is used."""
        return falling_rate(step, progress, highest=self.learning_rate, warmup_steps=self.warmup_steps)
