"""Norms, other than the one over a batch, which `networks.py` runs."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from service.executor.node_attributes import Inputs, Params, Step, parameter_names, values_of
from service.graph_io.archgraph import Node


def _affine(names: dict[str, str], params: Params, like: Tensor) -> tuple[Tensor | None, Tensor | None]:
    weight, bias = (
        params[names[role]].to(like.dtype) if role in names else None for role in ("weight", "bias")
    )
    return weight, bias


def _per_channel(
    names: dict[str, str], params: Params, like: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """One number a channel, also where files store them with axes of positions."""
    weight, bias = (None if part is None else part.flatten() for part in _affine(names, params, like))
    return weight, bias


def layer_norm(node: Node) -> Step:
    values, names = values_of(node), parameter_names(node)
    eps, per_channel, last = float(values["eps"]), values["axis"] == 1, int(values["axes"])

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        weight, bias = _affine(names, params, x)
        if per_channel and x.ndim > 2:
            moved = F.layer_norm(x.movedim(1, -1), x.shape[1:2], weight, bias, eps)
            return moved.movedim(-1, 1)
        return F.layer_norm(x, x.shape[-last:], weight, bias, eps)

    return run


def rms_norm(node: Node) -> Step:
    values, names = values_of(node), parameter_names(node)
    eps, last = float(values["eps"]), int(values["axes"])

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        return F.rms_norm(x, x.shape[-last:], _affine(names, params, x)[0], eps)

    return run


def group_norm(node: Node) -> Step:
    values, names = values_of(node), parameter_names(node)
    groups, eps = int(values["groups"]), float(values["eps"])

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        weight, bias = _per_channel(names, params, x)
        return F.group_norm(x, groups, weight, bias, eps)

    return run


def instance_norm(node: Node) -> Step:
    values, names = values_of(node), parameter_names(node)
    eps = float(values["eps"])

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        weight, bias = _per_channel(names, params, x)
        return F.instance_norm(x, weight=weight, bias=bias, eps=eps)

    return run
