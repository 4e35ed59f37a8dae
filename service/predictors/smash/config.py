"""What a SMASH hypernetwork is, and the space of architectures that it generates weights for. Stored in its
checkpoint; loading never infers.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from service.contract.smash import SmashOptions
from service.kit.exact_fields import check_fields
from service.kit.json_types import JsonObject

_POSITIVE = (
    "unit",
    "blocks",
    "banks",
    "bank_units",
    "layer_units",
    "layers",
    "hidden",
    "depth",
    "num_classes",
)
_CHOICES = ("kernels", "dilations", "groups")


@dataclass(frozen=True, kw_only=True)
class SmashConfig(SmashOptions):
    """A space of any size (paper 003, section 3.1): networks of so many blocks. What varies, and at most:
    banks of a block, layers of a block, channels of a bank and of a layer in units; kernels, dilations,
    groups of the convolutions are one of the values given.

    unit: channels that one cell of the conditioning tensor stands for, on either side of a filter.
    hidden, depth: width and residual 3x3 convolutions of the hypernetwork.
    """

    num_classes: int = 10

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        for name in _CHOICES:
            values = tuple(getattr(self, name))
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} must be one or more different integers, got {values!r}")
            if not all(isinstance(value, int) and value > 0 for value in values):
                raise ValueError(f"{name} must be positive integers, got {values!r}")
            object.__setattr__(self, name, values)  # a list, where it was read from JSON
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"kernels must be odd, got {self.kernels!r}")
        if 1 not in self.groups:
            raise ValueError(f"groups must have 1 among them, got {self.groups!r}")

    @property
    def most_bank_channels(self) -> int:
        return self.bank_units * self.unit

    @property
    def most_layer_channels(self) -> int:
        return self.layer_units * self.unit

    @property
    def most_channels(self) -> int:
        """Of all banks of a block together."""
        return self.banks * self.most_bank_channels

    def to_dict(self) -> JsonObject:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: JsonObject) -> SmashConfig:
        """Raises ValueError for an unknown or a missing field."""
        check_fields(values, [field.name for field in fields(cls)], "SMASH")
        return cls(**values)
