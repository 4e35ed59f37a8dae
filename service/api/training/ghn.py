"""What the training of a GHN may be told. Everything has a range: a budget that never ends is no budget."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, FiniteFloat, model_validator

from service.api.training.options import ImageTraining, ModelName, Options


class GHNOptions(Options):
    """The network that is trained: GHN-2 where nothing is said. See `GHNConfig`."""

    hidden: int | None = Field(
        default=None, ge=4, le=1024, multiple_of=4, description="Width of a node state."
    )
    max_channels: int | None = Field(
        default=None, ge=1, le=512, description="Most channels that are decoded."
    )
    max_kernel: int | None = Field(default=None, ge=1, le=32, description="Largest kernel that is decoded.")
    gnn: Literal["gated", "transformer", "mlp"] | None = Field(
        default=None, description="`transformer` is GHN-3; `mlp` is the baseline."
    )
    layers: int | None = Field(default=None, ge=1, le=64, description="Of a transformer.")
    heads: int | None = Field(
        default=None, ge=1, le=64, description="Of a transformer; `hidden` is a multiple of it."
    )
    virtual_edge_cutoff: int | None = Field(
        default=None, ge=1, le=253, description="Longest path that becomes a virtual edge; 1: none."
    )
    rounds: int | None = Field(
        default=None, ge=1, le=16, description="Passes over the graph, there and back."
    )
    propagation: Literal["forward_backward", "synchronous"] | None = None
    layer_norm: bool | None = None
    normalize: bool | None = Field(default=None, description="Fan-in scaling of what is predicted.")


class TrainingStage(Options):
    """Part of a run: what images and networks are used until a share of the budget is spent."""

    until: FiniteFloat = Field(default=1.0, gt=0, le=1, description="Share of the budget at which it ends.")
    image_size: int = Field(default=32, ge=8, le=512, description="Pixels a side.")
    cost: FiniteFloat | None = Field(default=None, gt=0, description="Bound on the cost of a network.")
    most_channels: int = Field(default=128, ge=8, le=4096)
    most_parameters: FiniteFloat = Field(default=3.1e6, gt=0, le=1e9)
    meta_batch: int = Field(default=4, ge=1, le=256, description="Networks a step.")
    images: int = Field(default=64, ge=1, le=4096, description="Images a network.")


class GHNTraining(ImageTraining):
    """`config` of kind `ghn`. Give `minutes` or `steps`."""

    from_model: ModelName | None = Field(
        default=None, description="Start with the weights of this model; it keeps its `ghn` configuration."
    )
    crop: bool | None = Field(default=None, description="Crop images at random, besides mirroring them.")
    ghn: GHNOptions | None = None
    stages: list[TrainingStage] | None = Field(default=None, min_length=1, max_length=20)
    learning_rate: FiniteFloat | None = Field(
        default=None, gt=0, le=1, description="The highest; by default what suits the `gnn`."
    )
    final_learning_rate: FiniteFloat | None = Field(default=None, ge=0, le=1)
    warmup_steps: int | None = Field(default=None, ge=0, le=100_000)
    weight_decay: FiniteFloat | None = Field(default=None, ge=0, le=1)
    clip: FiniteFloat | None = Field(default=None, gt=0, le=1e6, description="Largest gradient norm.")
    ema: FiniteFloat | None = Field(default=None, ge=0, lt=1, description="Decay of the averaged weights.")
    bfloat16: bool | None = None
    log_steps: int | None = Field(default=None, ge=1, le=10_000)
    checkpoint_minutes: FiniteFloat | None = Field(default=None, gt=0, le=1440)
    validate_minutes: FiniteFloat | None = Field(default=None, gt=0, le=1440)
    validate_networks: int | None = Field(default=None, ge=0, le=1000)

    @model_validator(mode="after")
    def _whole_budget(self) -> GHNTraining:
        if self.stages is not None and self.stages[-1].until < 1:
            raise ValueError("the last stage must last until 1")
        return self
