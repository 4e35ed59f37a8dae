"""Norms, and softmax."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from service.graph_io.torch_tracing.onnx_operators.table import (
    OPERATORS,
    Attrs,
    Inputs,
    NotRun,
    Operator,
    first_input,
    input_at,
    operator,
)


@operator("LayerNormalization")
def _layer_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, axis = first_input(inputs), attrs.get("axis", -1)
    shape = x.shape[axis % x.ndim :]
    return F.layer_norm(x, shape, input_at(inputs, 1), input_at(inputs, 2), attrs.get("epsilon", 1e-5))


@operator("RMSNormalization")
def _rms_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, axis = first_input(inputs), attrs.get("axis", -1)
    return F.rms_norm(x, x.shape[axis % x.ndim :], input_at(inputs, 1), attrs.get("epsilon", 1e-5))


@operator("InstanceNormalization")
def _instance_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, epsilon = first_input(inputs), attrs.get("epsilon", 1e-5)
    return F.instance_norm(x, weight=input_at(inputs, 1), bias=input_at(inputs, 2), eps=epsilon)


@operator("GroupNormalization")
def _group_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    x, scale = first_input(inputs), inputs[1]
    assert scale is not None
    if scale.shape[0] != x.shape[1]:
        raise NotRun("scales groups, not channels")
    return F.group_norm(x, attrs["num_groups"], scale, input_at(inputs, 2), attrs.get("epsilon", 1e-5))


@operator("LRN")
def _local_response_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    alpha, beta, bias = attrs.get("alpha", 1e-4), attrs.get("beta", 0.75), attrs.get("bias", 1.0)
    return F.local_response_norm(first_input(inputs), attrs["size"], alpha, beta, bias)


@operator("LpNormalization")
def _lp_norm(attrs: Attrs, inputs: Inputs) -> Tensor:
    return F.normalize(first_input(inputs), p=attrs.get("p", 2), dim=attrs.get("axis", -1))


def _along(function: Callable[..., Tensor]) -> Operator:
    def run(attrs: Attrs, inputs: Inputs) -> Tensor:
        x = first_input(inputs)
        if attrs["opset"] >= 13:
            return function(x, dim=attrs.get("axis", -1))
        axis = attrs.get("axis", 1) % x.ndim
        return function(x.flatten(axis) if axis < x.ndim - 1 else x, dim=-1).reshape(x.shape)

    return run


OPERATORS["Softmax"] = _along(torch.softmax)
OPERATORS["LogSoftmax"] = _along(torch.log_softmax)
