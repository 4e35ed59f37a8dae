"""What moves numbers around: views, permutations, parts, padding, resizing."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from service.executor.node_attributes import Inputs, Params, Step, each, refusal, values_of
from service.graph_io.archgraph import Node


def flatten(node: Node) -> Step:
    start = int(values_of(node)["start_axis"])
    # Channels first, whatever the memory layout: the classifier's columns are in that order.
    return lambda inputs, _: inputs[0].flatten(start)


def permute(node: Node) -> Step:
    values = values_of(node)
    kind, axes = values["kind"], values["axes"]
    if kind == "image_to_tokens":
        return lambda inputs, _: inputs[0].permute(0, 2, 3, 1).flatten(1, 2)
    if kind == "tokens_to_image":
        return lambda inputs, _: _tokens_to_image(inputs[0])
    if axes is None or kind is not None:
        raise refusal(node, "the order of its axes is not known")
    return lambda inputs, _: inputs[0].permute(axes)


def _tokens_to_image(tokens: Tensor) -> Tensor:
    side = int(tokens.shape[1] ** 0.5)
    return tokens.view(len(tokens), side, side, -1).permute(0, 3, 1, 2)


def reshape(node: Node) -> Step:
    values = values_of(node)
    shape = tuple(values["shape"]) if isinstance(values["shape"], tuple) else (values["shape"],)
    if values["kind"] is not None:
        raise refusal(node, "its shape is not known")
    if -1 in shape:
        return lambda inputs, _: inputs[0].reshape(shape)
    # The batch axis is whatever comes.
    return lambda inputs, _: inputs[0].reshape(len(inputs[0]), *shape[1:])


def slice_(node: Node) -> Step:
    values = values_of(node)
    if values["axes"] is None or values["kind"] is not None:
        raise refusal(node, "which part it takes is not known")
    axes = each(values["axes"], 1)
    starts, ends, steps = (
        (default,) * len(axes) if values[name] is None else each(values[name], len(axes))
        for name, default in (("starts", 0), ("ends", None), ("steps", 1))
    )
    dropped = () if values["dropped"] is None else each(values["dropped"], 1)
    last = max(axes, default=-1)
    index: list[Any] = [slice(None)] * (last + 1)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if axis < 0:
            raise refusal(node, "its axes are counted from the last one")
        index[axis] = start if axis in dropped else slice(start, end, step)
    chosen = tuple(index)
    return lambda inputs, _: inputs[0][chosen]


def pad(node: Node) -> Step:
    values = values_of(node)
    widths, mode, number = list(each(values["pads"], 1)), str(values["mode"]), float(values["value"])
    if mode == "constant":
        return lambda inputs, _: F.pad(inputs[0], widths, value=number)
    return lambda inputs, _: F.pad(inputs[0], widths, mode=mode)


def resize(node: Node) -> Step:
    values = values_of(node)
    kind, size, scale = str(values["kind"]), values["size"], values["scale"]
    if size is None and scale is None:
        raise refusal(node, "neither its size nor its scale is known")
    corners = (
        bool(values["align_corners"]) if kind in ("linear", "bilinear", "bicubic", "trilinear") else None
    )

    def run(inputs: Inputs, _: Params) -> Tensor:
        (x,) = inputs
        axes = x.ndim - 2
        if scale is not None:
            factors = scale if isinstance(scale, tuple) else (scale,) * axes
            return F.interpolate(
                x, scale_factor=factors, mode=kind, align_corners=corners, antialias=bool(values["antialias"])
            )
        sizes = each(size, axes)
        if tuple(x.shape[2:]) == sizes:
            return x
        return F.interpolate(
            x, size=sizes, mode=kind, align_corners=corners, antialias=bool(values["antialias"])
        )

    return run
