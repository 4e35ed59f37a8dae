"""Convolutions with a kernel of one pixel and a stride, without the fault that torch has there.

On a CPU, the gradient of such a convolution of a channels-last image of 2 to 7 channels writes beyond its
memory (seen with torch 2.15, float32, AVX2), and the process may die. Such a kernel reads every stride-th
pixel, so those pixels are taken first, and the convolution has no stride. Transposed convolutions do not have
the fault: glibc's checks found none with 1 to 16 channels, a kernel of one pixel and strides of 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

# Numbers in the widest vector of a CPU: an image with as many channels is computed without the fault.
_ENOUGH_CHANNELS = 16


def pixels_read(
    x_NCX: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> tuple[Tensor, Sequence[int]]:
    """The part of x that a convolution reads, and the stride in it; x and the stride as they are where the
    fault does not occur. stride, padding: one an axis, or one for all.
    """
    strided = max(kernel) == 1 and max(stride) > 1 and not any(padding)
    if not strided or x_NCX.device.type != "cpu" or x_NCX.shape[1] >= _ENOUGH_CHANNELS:
        return x_NCX, stride
    steps = stride if len(stride) == len(kernel) else tuple(stride) * len(kernel)
    every: list[slice] = [slice(None), slice(None), *(slice(None, None, step) for step in steps)]
    return x_NCX[tuple(every)], [1] * len(kernel)
