"""Convolutions of images that are smaller than a stride, without the fault that torch has there.

On a CPU, the gradient of a bfloat16 kernel holds memory that nobody has written if an axis of the image is
shorter than the stride, or is a single pixel: any number, often zero (seen with torch 2.15). Such
images are computed in float32; they are so small that this costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def number_format(x_NCX: Tensor, stride: Sequence[int]) -> torch.dtype:
    """The number format in which a convolution of x is right. stride: one an axis, or one for all."""
    if x_NCX.device.type != "cpu" or x_NCX.dtype != torch.bfloat16:
        return x_NCX.dtype
    axes = x_NCX.shape[2:]
    strides = stride if len(stride) == len(axes) else tuple(stride) * len(axes)
    small = any(size == 1 or size < step for size, step in zip(axes, strides, strict=True))
    return torch.float32 if small else x_NCX.dtype
