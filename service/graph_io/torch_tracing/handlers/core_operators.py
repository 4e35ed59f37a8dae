"""Operators that `run_decompositions` of torch.export makes of layers: a convolution of any number of axes,
and norms that also give their statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from service.graph_io.torch_tracing.recorder import HANDLERS, Recorder, handles

WithStatistics = tuple[Any, Tensor, Tensor]


def _layer(recorder: Recorder, name: str, *args: Any) -> Any:
    """The layer that the function of this name in torch.nn.functional is."""
    return HANDLERS[name](recorder, getattr(F, name), *args)


@handles("convolution")
def _convolution(
    recorder: Recorder,
    func: Any,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Any:
    axes, strides, paddings = weight.dim() - 2, tuple(stride), tuple(padding)
    if transposed:
        others = strides, paddings, tuple(output_padding), groups, tuple(dilation)
        return _layer(recorder, f"conv_transpose{axes}d", input, weight, bias, *others)
    return _layer(recorder, f"conv{axes}d", input, weight, bias, strides, paddings, tuple(dilation), groups)


@handles("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training")
def _native_batch_norm(
    recorder: Recorder, func: Any, input: Tensor, weight: Tensor | None, bias: Tensor | None, *others: Any
) -> WithStatistics:
    """Behind the parameters come the running statistics if there are any, whether it is training if that is
    not in the name, momentum and epsilon.
    """
    mean, variance = others[:2] if isinstance(others[0], Tensor) else (None, None)
    in_training = mean is None
    out = _layer(recorder, "batch_norm", input, mean, variance, weight, bias, in_training, *others[-2:])
    return _with_statistics(recorder, out)


@handles("native_layer_norm")
def _native_layer_norm(
    recorder: Recorder,
    func: Any,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> WithStatistics:
    out = _layer(recorder, "layer_norm", input, tuple(normalized_shape), weight, bias, eps)
    return _with_statistics(recorder, out)


@handles("native_group_norm")
def _native_group_norm(
    recorder: Recorder,
    func: Any,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    batch: int,
    channels: int,
    positions: int,
    groups: int,
    eps: float,
) -> WithStatistics:
    out = _layer(recorder, "group_norm", input, groups, weight, bias, eps)
    return _with_statistics(recorder, out)


def _with_statistics(recorder: Recorder, out: Any) -> WithStatistics:
    """No network reads the mean and the deviation behind the result."""
    return out, recorder.empty((0,), torch.float32), recorder.empty((0,), torch.float32)
