"""Normalisation of predicted parameters (GHN-2 paper, section 4.1 and table 2), on the TARGET shape."""

from __future__ import annotations

from math import prod, sqrt
from typing import Literal

import torch
from torch import Tensor

from service.graph_io.primitives import Decoding


def fan_scale(shape: tuple[int, ...], fan: Literal["in", "out"] = "in") -> float:
    """sqrt(beta / fan_in) of a weight in canonical layout; or over its fan-out, outputs times positions.

    beta is 2 (a ReLU follows, He et al.), but 1 for depthwise weights and for the first of a 1xK, Kx1 pair.
    """
    size = prod(shape[1:]) if fan == "in" else shape[0] * prod(shape[2:])
    height, width = shape[2:4] if len(shape) >= 4 else (shape[2], 1) if len(shape) == 3 else (1, 1)
    beta = 1.0 if (len(shape) >= 3 and shape[1] == 1) or height < width else 2.0
    return sqrt(beta / size)


def squash(values: Tensor, decoding: Decoding) -> Tensor:
    """Norm weights to 2 sigmoid(w / 2), around 1; biases to tanh(b / 5), around 0. Other tensors pass
    unchanged."""
    if decoding is Decoding.NORM_WEIGHT:
        return 2 * torch.sigmoid(0.5 * values)
    if decoding in (Decoding.NORM_BIAS, Decoding.BIAS, Decoding.CLASS_BIAS):
        return torch.tanh(0.2 * values)
    return values
