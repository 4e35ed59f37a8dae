"""Training a GHN. Everything has a range: a budget that never ends is no budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from service.contract.fields import Limits, option
from service.contract.options import BFLOAT16, DATA_NAME, MODEL_NAME, ImageTraining, ModelUse, Options
from service.contract.search import Space

Gnn = Literal["gated", "transformer", "mlp", "stacked"]
Decoder = Literal["conv", "mlp", "branches"]
Propagation = Literal["forward_backward", "forward", "synchronous"]
Fan = Literal["in", "out"]


@dataclass(frozen=True, kw_only=True)
class GHNOptions(Options):
    """The GHN to train. Default: a GHN-2, or the configuration of `from_model`. See `GHNConfig`."""

    hidden: int | None = field(
        default=None, metadata=option("Width of a node state.", ge=4, le=1024, multiple_of=4)
    )
    max_channels: int | None = field(
        default=None,
        metadata=option(
            "Largest number of channels that the decoder makes; wider layers repeat them.",
            ge=1,
            le=512,
        ),
    )
    max_kernel: int | None = field(
        default=None, metadata=option("Largest kernel that the decoder makes.", ge=1, le=32)
    )
    gnn: Gnn | None = field(
        default=None,
        metadata=option(
            "Network over the graph. `gated`: GHN-2; `transformer`: GHN-3; `stacked`: GHN-1, cell by cell; "
            "`mlp`: a baseline that ignores the edges."
        ),
    )
    layers: int | None = field(default=None, metadata=option("Layers of a transformer.", ge=1, le=64))
    heads: int | None = field(
        default=None,
        metadata=option(
            "Attention heads of a transformer; `hidden` must be a multiple.",
            ge=1,
            le=64,
        ),
    )
    virtual_edge_cutoff: int | None = field(
        default=None,
        metadata=option("Longest path that becomes a virtual edge; 1: no virtual edges.", ge=1, le=253),
    )
    share_cells: bool | None = field(
        default=None, metadata=option("For `stacked`: all cells share one set of parameters.")
    )
    pass_embedding: bool | None = field(
        default=None, metadata=option("For `stacked`: each cell gets the embedding of the cell before it.")
    )
    most_cells: int | None = field(
        default=None,
        metadata=option("For `stacked` without sharing: number of sets of parameters.", ge=1, le=200),
    )
    decoder: Decoder | None = field(
        default=None,
        metadata=option(
            "`mlp`: the perceptron of GHN-1, for small kernels and few channels; `branches`: one for each "
            "operation."
        ),
    )
    rounds: int | None = field(
        default=None, metadata=option("Passes over the graph, each forward and back.", ge=1, le=16)
    )
    propagation: Propagation | None = field(
        default=None,
        metadata=option("Update nodes in execution order and back, in execution order only, or all at once."),
    )
    anytime: bool | None = field(
        default=None,
        metadata=option(
            "For networks with early exits: knows scales and exits, and decodes joined weights edge by edge."
        ),
    )
    shape_encoding: bool | None = field(
        default=None, metadata=option("Tell nodes the shape of their parameter.")
    )
    layer_norm: bool | None = field(default=None, metadata=option("Normalise the final node states."))
    normalize: bool | None = field(default=None, metadata=option("Scale predicted weights by their fan."))
    fan: Fan | None = field(default=None, metadata=option("Scale by the fan-in, or by the fan-out."))


@dataclass(frozen=True, kw_only=True)
class TrainingStage(Options):
    """Part of a run: what images and networks are used until a share of the budget is spent."""

    until: float = field(
        default=1.0,
        metadata=option("Share of the budget at which this stage ends.", gt=0, le=1, allow_inf_nan=False),
    )
    image_size: int = field(
        default=32,
        metadata=option(
            "Height and width of the images, in pixels.",
            ge=8,
            le=512,
        ),
    )
    cost: float | None = field(
        default=None, metadata=option("Upper bound on the cost of a network.", gt=0, allow_inf_nan=False)
    )
    most_channels: int = field(default=128, metadata=option("Most channels of a network.", ge=8, le=4096))
    most_parameters: float = field(
        default=3.1e6,
        metadata=option("Most parameters of a network.", gt=0, le=1e9, allow_inf_nan=False),
    )
    meta_batch: int = field(default=4, metadata=option("Networks per step.", ge=1, le=256))
    images: int = field(default=64, metadata=option("Images per network and step.", ge=1, le=4096))


@dataclass(frozen=True, kw_only=True)
class Schedule(ImageTraining):
    """How a GHN is trained: what does not depend on the data or the GHN."""

    from_model: str | None = field(
        default=None,
        metadata=option(
            "Start from the weights of this model, with its `ghn` configuration.", pattern=MODEL_NAME
        ),
    )
    also_data: str | None = field(
        default=None,
        metadata=option(
            "A second set of images, with another number of classes: networks learn from both in turn, and "
            "the GHN gets a classifier for each.",
            pattern=DATA_NAME,
        ),
    )
    space: Space | None = field(
        default=None,
        metadata=option("Train on networks of this search space instead of DeepNets."),
    )
    network: dict[str, int] | None = field(
        default=None,
        metadata=option(
            "With `space`: fields of the networks' documents that replace its own, such as `channels`; for "
            "`ghn1` also `states`, for `anytime` also `nodes`."
        ),
    )
    different_networks: int | None = field(
        default=None,
        metadata=option("Train on this many networks, over and over. Default: always new ones.", ge=1),
    )
    crop: bool = field(
        default=False, metadata=option("Crop images at random, in addition to mirroring them.")
    )
    learning_rate: float | None = field(
        default=None,
        metadata=option("Highest learning rate. Default: depends on `gnn`.", gt=0, le=1, allow_inf_nan=False),
    )
    final_learning_rate: float = field(
        default=3e-5,
        metadata=option("Learning rate at the end.", ge=0, le=1, allow_inf_nan=False),
    )
    constant_share: float = field(
        default=0.0,
        metadata=option(
            "Share of the budget with the highest learning rate, before it falls. 1: it never falls, so that "
            "the run can go on for ever.",
            ge=0,
            le=1,
            allow_inf_nan=False,
        ),
    )
    weight_decay: float = field(
        default=1e-5,
        metadata=option("Weight decay of the optimizer.", ge=0, le=1, allow_inf_nan=False),
    )
    clip: float = field(
        default=5.0, metadata=option("Largest gradient norm.", gt=0, le=1e6, allow_inf_nan=False)
    )
    ema: float = field(
        default=0.998, metadata=option("Decay of the averaged weights.", ge=0, lt=1, allow_inf_nan=False)
    )
    bfloat16: bool | None = field(default=None, metadata=option(BFLOAT16))
    log_steps: int = field(default=20, metadata=option("Steps between logged losses.", ge=1, le=10_000))
    checkpoint_minutes: float = field(
        default=2.0,
        metadata=option("Minutes between checkpoints.", gt=0, le=1440, allow_inf_nan=False),
    )
    validate_minutes: float = field(
        default=12.0,
        metadata=option("Minutes between measurements of accuracy.", gt=0, le=1440, allow_inf_nan=False),
    )
    validate_networks: int = field(
        default=8,
        metadata=option("Number of unseen networks in each measurement.", ge=0, le=1000),
    )

    def models(self) -> Iterator[ModelUse]:
        if self.from_model is not None:
            yield ModelUse("from_model", self.from_model, "ghn", "a GHN cannot start from it")


@dataclass(frozen=True, kw_only=True)
class GHNTraining(Schedule):
    """`config` of kind `ghn`. Give `minutes` or `steps`. Defaults that are null depend on the data and the "
    "`gnn`."""

    ghn: GHNOptions = GHNOptions()
    stages: Annotated[tuple[TrainingStage, ...], Limits(min_length=1, max_length=20)] | None = field(
        default=None, metadata=option("Stages of the run; the last one has `until` 1.")
    )
    warmup_steps: int | None = field(
        default=None,
        metadata=option("Steps of warm-up to the highest learning rate.", ge=0, le=100_000),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stages is not None and self.stages[-1].until < 1:
            raise ValueError("the last stage must last until 1")
