"""What a HyperNAS predictor is. Stored in its checkpoint; loading never infers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

from service.contract.hypernas import NO_WEIGHTS, Encoding, Network, Space
from service.kit.exact_fields import check_fields
from service.kit.json_types import JsonObject

Tasks = Literal["both", "accuracy", "weights"]


@dataclass(frozen=True, kw_only=True)
class HyperNASConfig(Network):
    """Defaults are HyperNAS (paper 2509.18151) for cells of NAS-Bench-201.

    space: whose cells it reads; it decides what stands between the stages of the network.
    hidden, layers: width of a node state, graph convolutions.
    regressor_hidden: width of the hidden layer that turns the network's feature into its score.
    dropout: share of that layer that is left out in training.
    encoding: "propagated" adds the feature of the preceding cell to the nodes of a cell; "positional" adds
        a learned vector of the cell's place instead; "isolated" encodes one cell alone (the paper's NP).
    stages, cells_per_stage: the network as it is encoded, and run by the weight task: stages of equal cells
        with a reduction between them.
    tasks: "both" is HyperNAS, "accuracy" the single-task HyperNAS-P, "weights" the hypernetwork alone,
        HyperNAS-H.
    preference: q of the multi-task objective; 2 is the usual adaptive loss.
    prune: leave out operations on no path from the cell's input to its output. They cannot matter.
    channels: of the first stage of the network whose weights are generated; each later stage has as many.
    hypernetwork_hidden: width of the hidden layer that the heads of the hypernetwork share.
    """

    regressor_hidden: int = 32
    dropout: float = 0.3
    stages: int = 3
    cells_per_stage: int = 1
    tasks: Tasks = "both"
    prune: bool = True
    hypernetwork_hidden: int = 64
    num_classes: int = 10

    def __post_init__(self) -> None:
        positive = (
            "hidden",
            "layers",
            "regressor_hidden",
            "stages",
            "cells_per_stage",
            "channels",
            "hypernetwork_hidden",
            "num_classes",
        )
        for name in positive:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        choices = {
            "space": get_args(Space),
            "encoding": get_args(Encoding),
            "tasks": get_args(Tasks),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if self.space == "darts" and self.tasks != "accuracy":
            raise ValueError(NO_WEIGHTS)
        if not self.prune and self.tasks != "accuracy":
            raise ValueError("weights are generated for pruned cells only")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        if not 0 < self.preference <= 4:
            raise ValueError(f"preference must be above 0 and at most 4, got {self.preference}")

    @property
    def num_cells(self) -> int:
        """Cells of the encoded network, reductions included."""
        return self.stages * self.cells_per_stage + self.stages - 1

    def to_dict(self) -> JsonObject:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: JsonObject) -> HyperNASConfig:
        """Raises ValueError for an unknown or a missing field."""
        check_fields(values, [field.name for field in fields(cls)], "HyperNAS")
        return cls(**values)
