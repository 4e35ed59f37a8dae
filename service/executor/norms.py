"""Norms, other than the one over a batch, which `networks.py` runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor

from service.executor.node_attributes import Inputs, Params, Step, parameter_names, values_of
from service.graph_io.archgraph import Node


def _affine(names: dict[str, str], params: Params, like: Tensor) -> tuple[Tensor | None, Tensor | None]:
    weight, bias = (
        params[names[role]].to(like.dtype) if role in names else None for role in ("weight", "bias")
    )
    return weight, bias


def _per_channel(names: dict[str, str], params: Params, like: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """One number a channel, also where files store them with axes of positions."""
    weight, bias = (None if part is None else part.flatten() for part in _affine(names, params, like))
    return weight, bias


def layer_norm(node: Node) -> Step:
    eps = float(values_of(node)["eps"])

    def norm(x: Tensor, sizes: Sequence[int], weight: Tensor | None, bias: Tensor | None) -> Tensor:
        return F.layer_norm(x, sizes, weight, bias, eps)

    return _over_last_axes(node, norm)


def rms_norm(node: Node) -> Step:
    eps = float(values_of(node)["eps"])

    def norm(x: Tensor, sizes: Sequence[int], weight: Tensor | None, bias: Tensor | None) -> Tensor:
        return F.rms_norm(x, sizes, weight, eps)

    return _over_last_axes(node, norm)


def _over_last_axes(
    node: Node, norm: Callable[[Tensor, Sequence[int], Tensor | None, Tensor | None], Tensor]
) -> Step:
    """A norm over the last axes, or over the channels at every position."""
    values, names = values_of(node), parameter_names(node)
    over_channels, last = values["axis"] == 1, int(values["axes"])

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        if over_channels and x.ndim > 2:
            moved = norm(x.movedim(1, -1), x.shape[1:2], *_per_channel(names, params, x))
            return moved.movedim(-1, 1)
        return norm(x, x.shape[-last:], *_affine(names, params, x))

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
