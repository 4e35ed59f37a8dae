"""What a training run of a HyperNAS predictor does.

A run is a function of this configuration and its observations: what happens at a step depends on the step's
number, never on the state of a random generator.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from service.contract.fields import option
from service.contract.hypernas import Schedule
from service.predictors.hypernas.config import HyperNASConfig


@dataclass(frozen=True, kw_only=True)
class HyperNASRun(Schedule):
    """Give minutes or steps.

    learning_rate: the highest, after a linear warm-up; falls along a cosine to zero. clip: largest gradient
        norm. batch: most observations of a step.
    data, data_dir, mirror, skip_bad: of the weight task, as `load.load_dataset` takes them; images of
        `image_size` pixels. One step in
        `weight_steps` (every step, where weights are the only task) generates the weights of `networks`
        random architectures of the space and runs each on `images` images. Not used by the single-task
        variant.
    from_model: name of a model to start from: what it has of this model's parameters is copied.
    held_out: share of the observations that is kept back to measure Kendall's tau; for a job a fifth.
    """

    name: str = "hypernas"
    data_dir: str | None = None
    model: HyperNASConfig = field(default_factory=HyperNASConfig)
    weight_decay: float = 1e-2
    warmup_steps: int = 10
    clip: float = 5.0
    batch: int = field(default=64, metadata=option(ge=1))
    weight_steps: int = field(default=4, metadata=option(ge=1))
    held_out: float = field(default=0.0, metadata=option(ge=0, le=0.5))
    log_steps: int = field(default=10, metadata=option(ge=1))
    checkpoint_minutes: float = 1.0

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("give minutes or steps, one of them")

    def for_classes(self, count: int) -> HyperNASRun:
        """With networks of so many classes, unless the model says how many it has."""
        if self.model.num_classes != HyperNASConfig().num_classes:
            return self
        return replace(self, model=replace(self.model, num_classes=count))
