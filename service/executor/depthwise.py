"""Depthwise convolutions that are fast in bfloat16 on a CPU.

The library's own backward pass of a depthwise convolution other than 3x3 without dilation takes about ten
times as long as a dense convolution of 16 channels, which the matrix units do. So the depthwise kernel
becomes a block-diagonal one of 16 channels a block: a dense grouped convolution with the same result,
whose gradient flows back to the diagonal.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from service.executor.small_images import number_format
from service.graph_io.archgraph import Node

_BLOCK = 16


def is_slow_depthwise(node: Node) -> bool:
    """Depthwise, of a multiple of 16 channels, and not a plain 3x3."""
    weight = node.params[0].canonical_shape
    dilation = node.attrs.get("dilation", 1)
    plain = weight[2:] == (3, 3) and dilation in (1, (1, 1))
    return weight[1] == 1 and node.attrs.get("groups") == weight[0] and weight[0] % _BLOCK == 0 and not plain


def depthwise(
    x_NCHW: Tensor,
    w_C1HW: Tensor,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Tensor:
    """F.conv2d(x, w, groups=channels); the result has the dtype of x."""
    channels = len(w_C1HW)
    dtype = number_format(x_NCHW, stride)
    weight = w_C1HW.to(dtype)
    if x_NCHW.device.type != "cpu" or dtype != torch.bfloat16:
        out = F.conv2d(x_NCHW.to(dtype), weight, None, stride, padding, dilation, channels)  # type: ignore[arg-type]
        return out.to(x_NCHW.dtype)
    blocks = weight * _diagonal(channels)
    height, width = x_NCHW.shape[-2:]
    reach = dilation[0] * (w_C1HW.shape[-1] - 1) + 1
    even = height % 2 == width % 2 == 0 and tuple(padding) == (reach // 2, reach // 2)
    if reach > min(height, width) and tuple(dilation) == (2, 2) and tuple(stride) == (1, 1) and even:
        # A kernel reaching beyond the image falls off the fast path. With dilation 2 the pixels of equal
        # parity form four images of their own, each convolved without dilation.
        count, half = len(x_NCHW), (height // 2, width // 2)
        parts = F.pixel_unshuffle(x_NCHW, 2).view(count, channels, 4, *half).transpose(1, 2).flatten(0, 1)
        parts = parts.contiguous(memory_format=torch.channels_last)
        out = F.conv2d(parts, blocks, None, 1, reach // 4, 1, channels // _BLOCK)
        return F.pixel_shuffle(out.reshape(count, 4, channels, *half).transpose(1, 2).flatten(1, 2), 2)
    return F.conv2d(x_NCHW, blocks, None, stride, padding, dilation, channels // _BLOCK)  # type: ignore[arg-type]


@lru_cache(maxsize=256)
def _diagonal(channels: int) -> Tensor:
    """(channels, 16, 1, 1): one where a block's input channel is the output channel."""
    mask = torch.arange(channels)[:, None] % _BLOCK == torch.arange(_BLOCK)[None]
    return mask.to(torch.bfloat16)[:, :, None, None]
