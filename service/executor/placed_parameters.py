"""Parameters that are no layer's weights: added to the features, multiplied with them, or a source."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from service.executor.node_attributes import Inputs, Params, Step, parameter_names, refusal, values_of
from service.graph_io.archgraph import Node

_ADDED = frozenset({"bias", "position", "relative_position"})


def placed(node: Node) -> Step:
    """`shape` says how the parameter lies when it meets the features, where that is not as it is stored."""
    values, names = values_of(node), parameter_names(node)
    if len(names) != 1 or values["kind"] is not None:
        raise refusal(node, "what it does with its parameter is not known")
    ((role, name),) = names.items()
    shape = values["shape"]
    if not node.inputs:
        return lambda _, params: params[name] if shape is None else params[name].reshape(shape)
    if node.op in _ADDED or role == "bias":
        return _added(name, shape, node.op)
    if node.op == "layer_scale" or role == "gain":
        return _scaled(name, shape)
    raise refusal(node, "what it does with its parameter is not known")


def _added(name: str, shape: tuple[int, ...] | None, op: str) -> Step:
    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        table = params[name].to(x.dtype)
        if shape is not None:
            return x + table.reshape(shape)
        if op == "bias" and table.ndim == 1 and x.ndim > 3:
            # One a channel: a bias of a convolution.
            return x + table.view(-1, *[1] * (x.ndim - 2))
        if op == "position" and x.ndim == 4 and table.ndim == 4 and table.shape[-2:] != x.shape[-2:]:
            # Another image size than the network's own.
            table = F.interpolate(table, x.shape[-2:], mode="bilinear", align_corners=False)
        return x + table

    return run


def _scaled(name: str, shape: tuple[int, ...] | None) -> Step:
    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        factor = params[name].to(x.dtype)
        if shape is not None:
            return x * factor.reshape(shape)
        if factor.ndim == 1 and x.ndim > 3:
            return x * factor.view(-1, *[1] * (x.ndim - 2))
        return x * factor

    return run
