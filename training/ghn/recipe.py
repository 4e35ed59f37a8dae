"""What a training run does: its configuration, the stages it goes through, the learning rate at any point.

A run is a function of its configuration: what happens at a step depends on the step's number (or on the
share of the time budget that has passed), never on the state of a random generator.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from service.contract.ghn import Schedule, TrainingStage
from training.data.deepnets import Bounds
from training.data.spaces import SpaceNetworks
from training.loop.budget import falling_rate


@dataclass(frozen=True, kw_only=True)
class Stage(TrainingStage):
    """Part of a run. until: share of the budget at which it ends (1: the run's end).

    cost: bound on `network_cost` of the networks, None without one. meta_batch networks a step, each on
    `images` images.
    """

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.cost, self.image_size, self.most_channels, self.most_parameters)


# Small images and cheap networks first: early on, what a step teaches depends little on them, and they are
# several times faster. Networks grow well before the images do: a GHN that saw only cheap ones is weaker on
# those that people use.
CIFAR_STAGES = (
    Stage(until=0.15, image_size=16, cost=25, most_channels=48, meta_batch=4),
    Stage(until=0.4, image_size=16, cost=40, meta_batch=6),
    Stage(until=0.65, image_size=16, cost=80, meta_batch=6),
    Stage(until=0.85, image_size=16, cost=160, meta_batch=8),
    Stage(until=1.0, image_size=32, cost=500, meta_batch=8),
)
# Minutes, not hours: small images, cheap networks of all widths (what is decoded for wide ones is learned
# from wide ones), and few images for each.
DIGITS_STAGES = (
    Stage(until=0.5, image_size=16, cost=12, meta_batch=4, images=32),
    Stage(image_size=16, cost=25, meta_batch=4, images=32),
)


def recipe_for(data: str, *, space: str | None = None) -> dict[str, Any]:
    """Fields of TrainConfig that suit a data set and a search space."""
    stages: tuple[Stage, ...] = DIGITS_STAGES if data == "digits" else CIFAR_STAGES
    if space not in (None, "darts"):
        # The bounds are for networks of DeepNets, of all sizes; others are as large as they are.
        stages = tuple(replace(stage, cost=None) for stage in stages)
    return {"stages": stages, **({"warmup_steps": 40} if data == "digits" else {})}


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Schedule):
    """data, also_data, data_dir, mirror, skip_bad: as `load.load_dataset` takes them. Give minutes or
    steps.

    ghn: fields of GHNConfig that differ from GHN-2's. learning_rate: the highest, after a linear warm-up,
    None for what suits the GNN (`highest_rate`); after constant_share of the budget it falls along a cosine
    to final_learning_rate. clip: largest gradient norm. ema: decay of the averaged weights, which are what is
    saved as the model.
    space: a search space whose networks it trains on, instead of those of DeepNets; network: fields of their
    documents that differ from what the space says (`training.data.spaces`).
    validate_networks networks of id-val, or of the space, are measured every validate_minutes. crop: images
    are cropped after padding, besides being mirrored; a short run sees too few images to need that. threads:
    of each process, 0 for the cores shared evenly. from_model: the model or run whose weights the run starts
    with (`training.ghn.start`).
    """

    name: str
    data_dir: str | None = None
    ghn: dict[str, Any] = field(default_factory=dict)
    stages: tuple[Stage, ...] = CIFAR_STAGES
    warmup_steps: int = 150
    threads: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.stages or self.stages[-1].until < 1:
            raise ValueError("the last stage must last until 1")

    @property
    def image_sets(self) -> tuple[TrainConfig, ...]:
        """This configuration for each of its data sets."""
        if self.also_data is None:
            return (self,)
        return (self, replace(self, data=self.also_data, also_data=None))

    @property
    def networks(self) -> SpaceNetworks | None:
        return None if self.space is None else SpaceNetworks(space=self.space, fields=self.network or {})

    def stage(self, progress: float) -> Stage:
        return next((stage for stage in self.stages if progress < stage.until), self.stages[-1])

    @property
    def largest_meta_batch(self) -> int:
        return max(stage.meta_batch for stage in self.stages)

    @property
    def highest_rate(self) -> float:
        if self.learning_rate is not None:
            return self.learning_rate
        return 1e-3 if self.ghn.get("gnn") == "transformer" else 4e-3

    def rate(self, step: int, progress: float) -> float:
        """Learning rate at a step, when `progress` (0 to 1) of the budget is used."""
        return falling_rate(
            step, progress,
            highest=self.highest_rate, lowest=self.final_learning_rate, warmup_steps=self.warmup_steps,
            constant_share=self.constant_share,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The configuration of which this is `asdict`. Raises ValueError for unknown fields."""
        unknown = sorted(set(values) - {entry.name for entry in fields(cls)})
        if unknown:
            raise ValueError(f"unknown training options: {', '.join(unknown)}")
        return cls(**{**values, "stages": tuple(Stage(**stage) for stage in values["stages"])})
