"""What a GHN is. Stored in its checkpoint; loading never infers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Literal

from service.kit.exact_fields import check_fields
from service.kit.json_types import JsonObject

# Fields that one GNN alone has; checkpoints of others do not hold them.
_OF_ONE_GNN = {
    "layers": "transformer",
    "heads": "transformer",
    "share_cells": "stacked",
    "pass_embedding": "stacked",
    "most_cells": "stacked",
}
# Fields whose usual value a checkpoint does not say.
_UNSAID = {"decoder": "conv", "anytime": False, "shape_encoding": True, "fan": "in", "more_classes": ()}
_POSITIVE = (
    "hidden", "max_channels", "max_kernel", "num_classes", "rounds", "layers", "heads", "most_cells",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class GHNConfig:
    """Defaults are GHN-2 for CIFAR-10 (paper 2110.13100, section 4 and appendix B).

    `gnn="transformer"` is GHN-3 (paper 2303.04143): it also decodes otherwise, from the centre of the kernel
    map, through layers that widen with `hidden`.

    hidden: width of a node state.
    max_channels: most input and output channels that the decoder emits; wider tensors repeat them.
    max_kernel: most spatial positions an axis that the decoder emits (11 for CIFAR-10, 16 for ImageNet).
    more_classes: numbers of classes of further data sets; each has rows of its own in the classifiers'
        decoders, and a network gets those of the data set that has as many classes (`class_rows`).
    gnn: "gated" passes messages along the graph; "transformer" attends to all nodes; "mlp" is the baseline
        that sees single nodes; "stacked" is a gated one for each cell in turn (`stacked_gnn.StackedGNN`).
    virtual_edge_cutoff: longest shortest path that becomes a virtual edge, or that attention knows the length
        of; 1 switches virtual edges off (GHN-1).
    layers, heads: of the transformer alone; heads share `hidden` evenly.
    share_cells, pass_embedding, most_cells: of the stacked one alone: one set of parameters for all cells, or
        `most_cells` of them; whether a cell is told the mean state of the one before it.
    decoder: "conv" is GHN-2's; "mlp" GHN-1's (`mlp_decoder.MLPDecoder`), "branches" the same with a
        perceptron for each operation (`branch_decoder.BranchDecoder`).
    anytime: for networks with early exits (GHN-1 paper, section 5.2): node features also say the scale and
        the exit of a node, and weights that join several sources are decoded edge by edge
        (`anytime.AnytimeFeatures`, `anytime.EdgeStates`).
    rounds: T of equation 3, forward and backward passes over the graph.
    shape_encoding: whether nodes say the shape of their parameter.
    propagation: "forward_backward" visits the nodes in execution order and back, "forward" does not go back;
        "synchronous" updates all at once (GHN-1 paper, section 3).
    layer_norm: normalise the final node states.
    normalize: scaling and squashing of the predicted tensors (table 2). fan: whether weights are scaled by
        their fan-in or, as table 8 tries, their fan-out.
    """

    hidden: int = 32
    max_channels: int = 64
    max_kernel: int = 11
    num_classes: int = 10
    more_classes: tuple[int, ...] = ()
    gnn: Literal["gated", "transformer", "mlp", "stacked"] = "gated"
    virtual_edge_cutoff: int = 50
    layers: int = 3
    heads: int = 8
    share_cells: bool = True
    pass_embedding: bool = True
    most_cells: int = 20
    decoder: Literal["conv", "mlp", "branches"] = "conv"
    anytime: bool = False
    shape_encoding: bool = True
    rounds: int = 1
    propagation: Literal["forward_backward", "forward", "synchronous"] = "forward_backward"
    layer_norm: bool = True
    normalize: bool = True
    fan: Literal["in", "out"] = "in"

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        if any(not isinstance(count, int) or count < 1 for count in self.more_classes):
            raise ValueError(f"more_classes must be positive integers, got {self.more_classes!r}")
        if len(set(self.class_counts)) < len(self.class_counts):
            raise ValueError(f"data sets must differ in their number of classes, got {self.class_counts}")
        if self.hidden % 4:
            raise ValueError(
                f"hidden must be divisible by 4 (four shape embeddings share it), got {self.hidden}"
            )
        if not 1 <= self.virtual_edge_cutoff <= 253:
            raise ValueError(f"virtual_edge_cutoff must be 1 to 253, got {self.virtual_edge_cutoff}")
        if self.gnn not in ("gated", "transformer", "mlp", "stacked"):
            raise ValueError(f"gnn must be 'gated', 'transformer', 'mlp' or 'stacked', got {self.gnn!r}")
        if self.decoder not in ("conv", "mlp", "branches") or (
            self.decoder != "conv" and self.is_transformer
        ):
            raise ValueError(
                f"decoder must be 'conv', or without a transformer 'mlp' or 'branches', got {self.decoder!r}"
            )
        if self.gnn == "transformer" and self.hidden % self.heads:
            raise ValueError(f"hidden must be divisible by heads, got {self.hidden} and {self.heads}")
        if self.propagation not in ("forward_backward", "forward", "synchronous"):
            raise ValueError(
                "propagation must be 'forward_backward', 'forward' or 'synchronous', got "
                f"{self.propagation!r}"
            )
        if self.fan not in ("in", "out"):
            raise ValueError(f"fan must be 'in' or 'out', got {self.fan!r}")

    @property
    def virtual_edges(self) -> bool:
        return self.virtual_edge_cutoff > 1

    @property
    def class_counts(self) -> tuple[int, ...]:
        """Of each data set that the GHN has classifiers for."""
        return (self.num_classes, *self.more_classes)

    def class_rows(self, classes: int) -> slice:
        """Rows of the classifiers' decoders for a network of so many classes: those of the data set that has
        as many, of the first one if none has.
        """
        first = 0
        for count in self.class_counts:
            if count == classes:
                return slice(first, first + count)
            first += count
        return slice(0, self.num_classes)

    @property
    def is_transformer(self) -> bool:
        return self.gnn == "transformer"

    def to_dict(self) -> JsonObject:
        """What a checkpoint holds: the fields of its own GNN, of some only what is not usual (`_UNSAID`)."""
        return {
            name: value
            for name, value in asdict(self).items()
            if _OF_ONE_GNN.get(name, self.gnn) == self.gnn and (name, value) not in _UNSAID.items()
        }

    def differences(self) -> JsonObject:
        """The fields that are not GHN-2's, apart from the classes, which are the data's."""
        usual = GHNConfig(num_classes=self.num_classes, more_classes=self.more_classes)
        return {name: value for name, value in self.to_dict().items() if value != getattr(usual, name)}

    @classmethod
    def from_dict(cls, values: JsonObject) -> GHNConfig:
        """Raises ValueError for an unknown or a missing field."""
        gnn = values.get("gnn")
        expected = {field.name for field in fields(cls) if _OF_ONE_GNN.get(field.name, gnn) == gnn}
        expected -= _UNSAID.keys() - values.keys()
        check_fields(values, expected, "GHN")
        return cls(**{**values, "more_classes": tuple(values.get("more_classes", ()))})


GHN2_CIFAR10 = GHNConfig()
GHN2_IMAGENET = GHNConfig(max_kernel=16, num_classes=1000)
GHN1_CIFAR10 = GHNConfig(virtual_edge_cutoff=1, layer_norm=False, normalize=False)
MLP_CIFAR10 = GHNConfig(gnn="mlp")
GHN3_CIFAR10 = GHNConfig(gnn="transformer", hidden=64, layers=3, heads=8)
