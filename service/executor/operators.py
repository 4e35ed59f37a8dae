"""What each operator of an ArchGraph computes: a node becomes a function of its inputs and the network's
parameters.

Features are (N, C, H, W), in channels-last memory where that is faster; tokens are (N, L, C).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from service.errors import UnsupportedOperator
from service.executor.depthwise import depthwise, is_slow_depthwise
from service.graph_io.archgraph import AttrValue, Node

Params = Mapping[str, Tensor]
Inputs = Sequence[Tensor]
Step = Callable[[Inputs, Params], Tensor]

NORMALISED_BY_BATCH = frozenset({"batch_norm"})

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "gelu": F.gelu,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "elu": F.elu,
    "leaky_relu": F.leaky_relu,
    "mish": F.mish,
    "softplus": F.softplus,
}


def compile_node(node: Node) -> Step:
    """Raises UnsupportedOperator, naming the node, for what cannot be run."""
    compiler = _COMPILERS.get(node.op)
    if compiler is None:
        raise UnsupportedOperator(
            f"Node {node.name!r} ({node.op}) cannot be run here.", node=node.name, operator=node.op,
            hint=f"Operators that can: {', '.join(sorted(_COMPILERS))}.",
        )  # fmt: skip
    return compiler(node)


def _names(node: Node) -> dict[str, str]:
    return {parameter.role: parameter.name for parameter in node.params}


def _ints(value: AttrValue, default: int, axes: int = 2) -> tuple[int, ...]:
    if value is None:
        return (default,) * axes
    if isinstance(value, tuple):
        return tuple(int(entry) for entry in value)
    return (int(value),) * axes


def _unsupported(node: Node, what: str) -> UnsupportedOperator:
    return UnsupportedOperator(f"Node {node.name!r} ({node.op}) {what}.", node=node.name, operator=node.op)


def _canonical(node: Node, role: str) -> Callable[[Params], Tensor]:
    """Fetch a parameter in the canonical layout (out, in / groups, ...)."""
    parameter = next(p for p in node.params if p.role == role)
    name, axes = parameter.name, parameter.axes
    if axes is None:
        return lambda params: params[name]
    return lambda params: params[name].permute(axes)


def _conv(node: Node) -> Step:
    weight, bias = _canonical(node, "weight"), _names(node).get("bias")
    axes = len(next(p for p in node.params if p.role == "weight").canonical_shape) - 2
    stride = _ints(node.attrs.get("stride"), 1, axes)
    padding = _ints(node.attrs.get("padding"), 0, axes)
    dilation = _ints(node.attrs.get("dilation"), 1, axes)
    groups = int(node.attrs.get("groups", 1))  # type: ignore[arg-type]
    function = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[axes]
    if axes == 2 and bias is None and is_slow_depthwise(node):
        return lambda inputs, params: depthwise(inputs[0], weight(params), stride, padding, dilation)

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        b = None if bias is None else params[bias].to(x.dtype)
        return function(x, weight(params).to(x.dtype), b, stride, padding, dilation, groups)  # type: ignore[arg-type]

    return run


def _linear(node: Node) -> Step:
    weight, bias = _canonical(node, "weight"), _names(node).get("bias")

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        return F.linear(x, weight(params).to(x.dtype), None if bias is None else params[bias].to(x.dtype))

    return run


def _bias(node: Node) -> Step:
    (name,) = _names(node).values()

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        bias = params[name].to(x.dtype)
        return x + (bias.view(-1, *[1] * (x.ndim - 2)) if x.ndim > 3 else bias)

    return run


def _layer_norm(node: Node) -> Step:
    names = _names(node)
    eps = float(node.attrs.get("eps", 1e-5))  # type: ignore[arg-type]
    per_channel = node.attrs.get("axis", -1) == 1

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        weight, bias = (
            params[names[role]].to(x.dtype) if role in names else None for role in ("weight", "bias")
        )
        if per_channel and x.ndim > 2:
            moved = F.layer_norm(x.movedim(1, -1), x.shape[1:2], weight, bias, eps)
            return moved.movedim(-1, 1)
        return F.layer_norm(x, x.shape[-1:], weight, bias, eps)

    return run


def _group_norm(node: Node) -> Step:
    names = _names(node)
    groups = int(node.attrs.get("groups", 1))  # type: ignore[arg-type]
    eps = float(node.attrs.get("eps", 1e-5))  # type: ignore[arg-type]

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        weight, bias = (
            params[names[role]].to(x.dtype) if role in names else None for role in ("weight", "bias")
        )
        return F.group_norm(x, groups, weight, bias, eps)

    return run


def _position(node: Node) -> Step:
    if not node.inputs:
        (source,) = _names(node).values()
        return lambda _, params: params[source]
    (name,) = _names(node).values()

    def run(inputs: Inputs, params: Params) -> Tensor:
        (x,) = inputs
        table = params[name]
        if x.ndim == 4 and table.ndim == 4 and table.shape[-2:] != x.shape[-2:]:
            # Another image size than the network's own.
            table = F.interpolate(table, x.shape[-2:], mode="bilinear", align_corners=False)
        return x + table.to(x.dtype)

    return run


def _pool(node: Node) -> Step:
    kernel = _ints(node.attrs.get("kernel_size"), 1)
    stride = _ints(node.attrs.get("stride"), 0) if node.attrs.get("stride") is not None else kernel
    padding = _ints(node.attrs.get("padding"), 0)
    ceil = bool(node.attrs.get("ceil_mode", False))
    if node.op == "max_pool":
        dilation = _ints(node.attrs.get("dilation"), 1)
        return lambda inputs, _: F.max_pool2d(inputs[0], kernel, stride, padding, dilation, ceil)  # type: ignore[arg-type]
    include = bool(node.attrs.get("count_include_pad", True))
    return lambda inputs, _: F.avg_pool2d(inputs[0], kernel, stride, padding, ceil, include)  # type: ignore[arg-type]


def _global_avg_pool(node: Node) -> Step:
    size = _ints(node.attrs.get("output_size"), 1)
    keep = bool(node.attrs.get("keepdims", True))
    if all(side == 1 for side in size):
        return lambda inputs, _: inputs[0].mean((2, 3), keepdim=keep)
    height, width = size
    return lambda inputs, _: F.adaptive_avg_pool2d(inputs[0], (height, width))


def _attention(node: Node) -> Step:
    if "layout" in node.attrs or len(node.inputs) not in (1, 3):
        raise _unsupported(node, "has inputs that are not (batch, positions, channels)")
    heads = int(node.attrs.get("heads", 1))  # type: ignore[arg-type]

    def run(inputs: Inputs, params: Params) -> Tensor:
        qkv = inputs[0].chunk(3, dim=-1) if len(inputs) == 1 else inputs
        query, key, value = (x.view(*x.shape[:2], heads, -1).transpose(1, 2) for x in qkv)
        if query.device.type == "cpu":
            # The fused kernel spends most of its time on converting bfloat16.
            query, key, value = query.float(), key.float(), value.float()
        mixed = F.scaled_dot_product_attention(query, key, value)
        return mixed.transpose(1, 2).flatten(2).to(inputs[0].dtype)

    return run


def _add(_: Node) -> Step:
    def run(inputs: Inputs, params: Params) -> Tensor:
        total = inputs[0] if len(inputs) == 1 else inputs[0] + inputs[1]
        for x in inputs[2:]:
            total = total + x
        return total

    return run


def _mul(_: Node) -> Step:
    def run(inputs: Inputs, params: Params) -> Tensor:
        product = inputs[0]
        for x in inputs[1:]:
            product = product * x
        return product

    return run


def _channel_gate(_: Node) -> Step:
    def run(inputs: Inputs, params: Params) -> Tensor:
        features, gate = inputs
        return features * (gate[:, :, None, None] if gate.ndim == 2 else gate)

    return run


def _concat(node: Node) -> Step:
    axis = int(node.attrs.get("axis", 1))  # type: ignore[arg-type]

    def run(inputs: Inputs, params: Params) -> Tensor:
        # A constant of zeros has its channels only; everything else says where they go, and on which device.
        like = next((x for x in inputs if x.ndim > 1), inputs[0])
        parts = [
            x.to(like).view(1, -1, 1, 1).expand(len(like), -1, *like.shape[2:]) if x.ndim == 1 else x
            for x in inputs
        ]
        return torch.cat(parts, axis)

    return run


def _constant(node: Node) -> Step:
    if node.attrs.get("kind") != "zeros":
        raise _unsupported(node, "is a constant whose values are not in the graph")
    zeros = torch.zeros(int(node.attrs.get("channels", 1)))  # type: ignore[arg-type]
    return lambda inputs, params: zeros


def _activation(node: Node) -> Step:
    function = _ACTIVATIONS.get(str(node.attrs.get("kind", "relu")))
    if function is None:
        raise _unsupported(node, f"has the unknown kind {node.attrs.get('kind')!r}")
    return lambda inputs, _: function(inputs[0])


def _softmax(node: Node) -> Step:
    axis = int(node.attrs.get("axis", -1))  # type: ignore[arg-type]
    return lambda inputs, _: inputs[0].softmax(axis)


def _flatten(node: Node) -> Step:
    start = int(node.attrs.get("start_axis", 1))  # type: ignore[arg-type]
    # Channels first, whatever the memory layout: the classifier's columns are in that order.
    return lambda inputs, _: inputs[0].flatten(start)


def _permute(node: Node) -> Step:
    kind = node.attrs.get("kind")
    if kind == "image_to_tokens":
        return lambda inputs, _: inputs[0].permute(0, 2, 3, 1).flatten(1, 2)
    if kind == "tokens_to_image":
        return lambda inputs, _: _tokens_to_image(inputs[0])
    axes = node.attrs.get("axes")
    if not isinstance(axes, tuple):
        raise _unsupported(node, "has no `axes`")
    order = tuple(int(axis) for axis in axes)
    return lambda inputs, _: inputs[0].permute(order)


def _tokens_to_image(tokens: Tensor) -> Tensor:
    side = int(tokens.shape[1] ** 0.5)
    return tokens.view(len(tokens), side, side, -1).permute(0, 3, 1, 2)


def _reshape(node: Node) -> Step:
    shape = node.attrs.get("shape")
    if not isinstance(shape, tuple):
        raise _unsupported(node, "has no `shape`")
    # The batch axis is whatever comes.
    tail = tuple(int(size) for size in shape[1:])
    return lambda inputs, _: inputs[0].reshape(len(inputs[0]), *tail)


def _slice(node: Node) -> Step:
    axes, steps, starts, ends = (node.attrs.get(key) for key in ("axes", "steps", "starts", "ends"))
    if not isinstance(axes, tuple) or node.attrs.get("dropped"):
        raise _unsupported(node, "does not keep its axes")
    step_of = dict(zip(axes, _ints(steps, 1, len(axes)), strict=True))
    start_of = dict(zip(axes, _ints(starts, 0, len(axes)), strict=True))
    end_of = dict(zip(axes, _ints(ends, 0, len(axes)), strict=True)) if ends is not None else {}
    index = tuple(
        slice(start_of[axis], end_of.get(axis), step_of[axis]) if axis in step_of else slice(None)
        for axis in range(max(map(int, axes)) + 1)
    )
    return lambda inputs, _: inputs[0][index]


def _pad(node: Node) -> Step:
    """pads: (left, right, top, bottom); negative ones crop."""
    pads = node.attrs.get("pads")
    if not isinstance(pads, tuple) or len(pads) != 4:
        raise _unsupported(node, "has no `pads` of four entries")
    widths = [int(pad) for pad in pads]
    return lambda inputs, _: F.pad(inputs[0], widths)


def _resize(node: Node) -> Step:
    size = node.attrs.get("size")
    if not isinstance(size, tuple) or node.attrs.get("kind") != "area":
        raise _unsupported(node, "can be run with `size` and kind area only")
    height, width = (int(side) for side in size)
    return lambda inputs, _: (
        inputs[0]
        if inputs[0].shape[2:] == (height, width)
        else F.adaptive_avg_pool2d(inputs[0], (height, width))
    )


def _unary(node: Node) -> Step:
    if node.attrs.get("kind") != "mean" or not isinstance(node.attrs.get("axes"), tuple):
        raise _unsupported(node, f"has the unknown kind {node.attrs.get('kind')!r}")
    axes, keep = _ints(node.attrs.get("axes"), 0), bool(node.attrs.get("keepdims", False))
    return lambda inputs, _: inputs[0].mean(axes, keepdim=keep)


_COMPILERS: dict[str, Callable[[Node], Step]] = {
    "conv": _conv,
    "linear": _linear,
    "bias": _bias,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "position": _position,
    "max_pool": _pool,
    "avg_pool": _pool,
    "global_avg_pool": _global_avg_pool,
    "global_max_pool": lambda node: lambda inputs, _: inputs[0].amax((2, 3), keepdim=True),
    "attention": _attention,
    "add": _add,
    "mul": _mul,
    "channel_gate": _channel_gate,
    "concat": _concat,
    "constant": _constant,
    "activation": _activation,
    "softmax": _softmax,
    "flatten": _flatten,
    "permute": _permute,
    "reshape": _reshape,
    "slice": _slice,
    "pad": _pad,
    "resize": _resize,
    "unary": _unary,
}
