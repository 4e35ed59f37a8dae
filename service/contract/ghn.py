"""Training a GHN. Everything has a range: a budget that never ends is no budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from service.contract.fields import Limits, option
from service.contract.options import MODEL_NAME, ImageTraining, ModelUse, Options
from service.contract.search import Space

Gnn = Literal["gated", "transformer", "mlp", "stacked"]
Decoder = Literal["conv", "mlp"]
Propagation = Literal["forward_backward", "synchronous"]


@dataclass(frozen=True, kw_only=True)
class GHNOptions(Options):
    """The network that is trained: GHN-2, or that of `from_model`, where nothing is said. See `GHNConfig`."""

    hidden: int | None = field(
        default=None, metadata=option("Width of a node state.", ge=4, le=1024, multiple_of=4)
    )
    max_channels: int | None = field(
        default=None, metadata=option("Most channels that are decoded.", ge=1, le=512)
    )
    max_kernel: int | None = field(
        default=None, metadata=option("Largest kernel that is decoded.", ge=1, le=32)
    )
    gnn: Gnn | None = field(
        default=None,
        metadata=option(
            "`transformer` is GHN-3; `mlp` is the baseline; `stacked` is GHN-1's, cell by cell."
        ),
    )
    layers: int | None = field(default=None, metadata=option("Of a transformer.", ge=1, le=64))
    heads: int | None = field(
        default=None, metadata=option("Of a transformer; `hidden` is a multiple of it.", ge=1, le=64)
    )
    virtual_edge_cutoff: int | None = field(
        default=None,
        metadata=option("Longest path that becomes a virtual edge; 1: none.", ge=1, le=253),
    )
    share_cells: bool | None = field(
        default=None, metadata=option("Of a stacked one: one set of parameters for all cells.")
    )
    pass_embedding: bool | None = field(
        default=None, metadata=option("Of a stacked one: each cell is told what the one before it is.")
    )
    most_cells: int | None = field(
        default=None,
        metadata=option("Of a stacked one: sets of parameters that are not shared.", ge=1, le=200),
    )
    decoder: Decoder | None = field(
        default=None, metadata=option("`mlp` is GHN-1's perceptron, for small kernels and few channels.")
    )
    rounds: int | None = field(
        default=None, metadata=option("Passes over the graph, there and back.", ge=1, le=16)
    )
    propagation: Propagation | None = field(
        default=None, metadata=option("In execution order and back, or all nodes at once.")
    )
    layer_norm: bool | None = field(default=None, metadata=option("Normalise the final node states."))
    normalize: bool | None = field(default=None, metadata=option("Fan-in scaling of what is predicted."))


@dataclass(frozen=True, kw_only=True)
class TrainingStage(Options):
    """Part of a run: what images and networks are used until a share of the budget is spent."""

    until: float = field(
        default=1.0,
        metadata=option("Share of the budget at which it ends.", gt=0, le=1, allow_inf_nan=False),
    )
    image_size: int = field(default=32, metadata=option("Pixels a side.", ge=8, le=512))
    cost: float | None = field(
        default=None, metadata=option("Bound on the cost of a network.", gt=0, allow_inf_nan=False)
    )
    most_channels: int = field(default=128, metadata=option("Of the networks.", ge=8, le=4096))
    most_parameters: float = field(
        default=3.1e6,
        metadata=option("Of the networks.", gt=0, le=1e9, allow_inf_nan=False),
    )
    meta_batch: int = field(default=4, metadata=option("Networks a step.", ge=1, le=256))
    images: int = field(default=64, metadata=option("Images a network.", ge=1, le=4096))


@dataclass(frozen=True, kw_only=True)
class Schedule(ImageTraining):
    """How a GHN is trained, as far as it does not hang on the data and on the GHN."""

    from_model: str | None = field(
        default=None,
        metadata=option(
            "Start with the weights of this model; it keeps its `ghn` configuration.", pattern=MODEL_NAME
        ),
    )
    space: Space | None = field(
        default=None,
        metadata=option("Train on the networks of this search space, instead of those of DeepNets."),
    )
    network: dict[str, int] | None = field(
        default=None,
        metadata=option(
            "Fields of their documents, instead of what the space says, such as `channels`; of `ghn1` also "
            "`states`."
        ),
    )
    crop: bool = field(
        default=False, metadata=option("Crop images at random, in addition to mirroring them.")
    )
    learning_rate: float | None = field(
        default=None,
        metadata=option("The highest; by default what suits the `gnn`.", gt=0, le=1, allow_inf_nan=False),
    )
    final_learning_rate: float = field(
        default=3e-5,
        metadata=option("The lowest, at the end.", ge=0, le=1, allow_inf_nan=False),
    )
    weight_decay: float = field(
        default=1e-5,
        metadata=option("Of the optimizer.", ge=0, le=1, allow_inf_nan=False),
    )
    clip: float = field(
        default=5.0, metadata=option("Largest gradient norm.", gt=0, le=1e6, allow_inf_nan=False)
    )
    ema: float = field(
        default=0.998, metadata=option("Decay of the averaged weights.", ge=0, lt=1, allow_inf_nan=False)
    )
    bfloat16: bool = field(
        default=True, metadata=option("Compute in bfloat16 instead of float32.")
    )
    log_steps: int = field(default=20, metadata=option("Steps between measurements.", ge=1, le=10_000))
    checkpoint_minutes: float = field(
        default=2.0,
        metadata=option("Minutes between checkpoints.", gt=0, le=1440, allow_inf_nan=False),
    )
    validate_minutes: float = field(
        default=12.0,
        metadata=option("Minutes between measurements.", gt=0, le=1440, allow_inf_nan=False),
    )
    validate_networks: int = field(
        default=8,
        metadata=option("How many unseen networks are measured.", ge=0, le=1000),
    )

    def models(self) -> Iterator[ModelUse]:
        if self.from_model is not None:
            yield ModelUse("from_model", self.from_model, "ghn", "a GHN cannot start from it")


@dataclass(frozen=True, kw_only=True)
class GHNTraining(Schedule):
    """`config` of kind `ghn`. Give `minutes` or `steps`. What is null suits the data and the `gnn`."""

    ghn: GHNOptions = GHNOptions()
    stages: Annotated[tuple[TrainingStage, ...], Limits(min_length=1, max_length=20)] | None = field(
        default=None, metadata=option("Parts of the run, the last until 1.")
    )
    warmup_steps: int | None = field(
        default=None,
        metadata=option("Steps until the highest learning rate.", ge=0, le=100_000),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stages is not None and self.stages[-1].until < 1:
            raise ValueError("the last stage must last until 1")
