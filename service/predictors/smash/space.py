"""Random architectures of the SMASH space (Brock et al. 2017, 3.1), as documents of the format `smash`."""

from __future__ import annotations

import numpy as np

from service.graph_io.cells.smash import MAX_CONVS
from service.kit.json_types import JsonObject
from service.predictors.smash.config import SmashConfig


def random_architecture(config: SmashConfig, random: np.random.Generator, *, image_size: int) -> JsonObject:
    """Of every block at random: banks, their channels and layers. Of every layer: the banks that it reads and
    writes, its width, which of four convolutions in two branches it has, and what they are.
    """
    return {
        "format": "smash",
        "num_classes": config.num_classes,
        "image_size": image_size,
        "blocks": [random_block(config, random) for _ in range(config.blocks)],
    }


def random_block(config: SmashConfig, random: np.random.Generator) -> JsonObject:
    banks = _up_to(config.banks, random)
    return {
        "banks": banks,
        "bank_channels": config.unit * _up_to(config.bank_units, random),
        "layers": [random_layer(config, banks, random) for _ in range(_up_to(config.layers, random))],
    }


def random_layer(config: SmashConfig, banks: int, random: np.random.Generator) -> JsonObject:
    channels = config.unit * _up_to(config.layer_units, random)
    groups = [count for count in config.groups if channels % count == 0]
    convs = [
        {
            "kernel": int(random.choice(config.kernels)),
            "dilation": int(random.choice(config.dilations)),
            "groups": int(random.choice(groups)),
            "branch": place // (MAX_CONVS // 2),
        }
        for place in range(MAX_CONVS)
        if random.random() < 0.5
    ]
    return {
        "read": _some(banks, random),
        "write": _some(banks, random),
        "channels": channels,
        "convs": convs,
    }


def _up_to(most: int, random: np.random.Generator) -> int:
    return int(random.integers(1, most + 1))


def _some(banks: int, random: np.random.Generator) -> list[int]:
    """One bank or more, each set of a size as likely as another."""
    chosen = random.permutation(banks)[: _up_to(banks, random)]
    return sorted(int(bank) for bank in chosen)
