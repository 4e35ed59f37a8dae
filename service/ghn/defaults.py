"""Standard initialisation of parameters that a GHN has no decoder for.

| what | rule | source |
| --- | --- | --- |
| look-up tables, class tokens, relative and odd position tables | normal, std 0.02 | ViT, BERT, Swin |
| layer scale | 1e-6 | ConvNeXt |
| weights with two or more axes | normal, std sqrt(2 / fan_in) | He et al. 2015 |
| recurrent weights | uniform in +-1 / sqrt(width) | PyTorch's LSTM |
| gains, scales, norm weights | 1 | |
| slopes of parametric ReLUs | 0.25 | He et al. 2015 |
| everything else | 0 | |

Random values come from a generator seeded by the parameter's name: the same network gets the same bytes. A
seed other than 0 gives others.
"""

from __future__ import annotations

from hashlib import sha256
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from service.graph_io.archgraph import Parameter
from service.graph_io.operators import NORMS
from service.graph_io.primitives import Target
from service.weights.blocks import Block, Provenance

TABLE_STD = 0.02
LAYER_SCALE = 1e-6
PRELU_SLOPE = 0.25


def default_block(target: Target, seed: int = 0) -> Block:
    """The whole tensor, or one number to repeat where the rule is a constant."""
    parameter = target.parameter
    shape = parameter.canonical_shape
    values = _values(parameter, target.op, shape, _generator(parameter.name, seed))
    return Block(values, shape, 1.0, parameter.axes, Provenance.DEFAULTED)


def _values(
    parameter: Parameter, op: str, shape: tuple[int, ...], random: np.random.Generator
) -> NDArray[np.float32]:
    name, role = parameter.name.lower(), parameter.role.lower()
    if op in ("embedding", "class_token", "relative_position", "position"):
        return _normal(random, shape, TABLE_STD)
    if op == "layer_scale":
        return _constant(LAYER_SCALE, shape)
    if op == "recurrent" and len(shape) >= 2:
        bound = 1 / sqrt(shape[-1])
        return random.uniform(-bound, bound, shape).astype(np.float32)
    if op in NORMS or any(word in role or name.endswith(word) for word in ("gain", "scale", "gamma")):
        return _constant(0.0 if role == "bias" else 1.0, shape)
    if "slope" in role:
        return _constant(PRELU_SLOPE, shape)
    if sum(size > 1 for size in shape) >= 2 and role != "bias":
        return _normal(random, shape, sqrt(2 / prod(shape[1:])))
    # A vector that no operator explains: a "weight" most likely multiplies.
    return _constant(1.0 if name.endswith("weight") else 0.0, shape)


def _constant(value: float, shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.full((1,) * len(shape), value, dtype=np.float32)


def _normal(random: np.random.Generator, shape: tuple[int, ...], std: float) -> NDArray[np.float32]:
    values = random.standard_normal(shape, dtype=np.float32)
    values *= np.float32(std)
    return values


def _generator(name: str, seed: int) -> np.random.Generator:
    text = name if seed == 0 else f"{seed} {name}"
    return np.random.Generator(np.random.PCG64(int.from_bytes(sha256(text.encode()).digest()[:16], "little")))
