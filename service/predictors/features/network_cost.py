"""What a network costs for one input, from its graph alone.

An estimate where a graph does not say how tensors are laid out: a reshape is taken to keep the number of
positions, a flattening from the first axis on to leave one. For the convolutional networks of the cell spaces
it is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from service.graph_io.archgraph import ArchGraph, AttrValue, Node, Parameter

Spatial = tuple[int, ...]

_WEIGHTED = ("conv", "conv_transpose", "linear")


@dataclass(frozen=True, slots=True)
class Operation:
    """A node at work on one input. before, after: positions of the largest of its inputs and of its output,
    axis by axis. channels_in: of the widest input. weight: its parameter of that role, where it multiplies by
    one.
    """

    node: Node
    before: Spatial
    after: Spatial
    channels_in: int
    channels: int
    multiply_adds: int
    weight: Parameter | None = None

    @property
    def elements(self) -> int:
        """How many numbers its output has."""
        return self.channels * prod(self.after)


def multiply_adds(graph: ArchGraph) -> int:
    """Multiply-adds of all convolutions, linear layers and attentions, for one input. Where the graph has no
    input shape, every weight counts once.
    """
    return sum(operation.multiply_adds for operation in operations(graph))


def operations(graph: ArchGraph) -> Iterator[Operation]:
    """Every node with the shapes that it works on."""
    spatial: dict[str, Spatial] = {}
    width: dict[str, int] = {}
    for node in graph.nodes:
        before: Spatial = max((spatial[name] for name in node.inputs), key=prod, default=())
        channels = channels_in = max((width[name] for name in node.inputs), default=0)
        after = _shape_after(node, before, graph.input_shape)
        work, weight = 0, None
        if node.op in _WEIGHTED:
            weight = next(parameter for parameter in node.params if parameter.role == "weight")
            work = weight.numel * prod(before if node.op == "conv_transpose" else after)
            channels = weight.canonical_shape[0]
        elif node.op == "attention":
            if len(node.inputs) == 1:
                channels //= 3
            work = 2 * prod(before) ** 2 * channels
        elif node.op == "concat":
            channels = sum(width[name] for name in node.inputs)
        elif node.op == "input":
            channels = graph.input_shape[0] if graph.input_shape else 0
        spatial[node.name], width[node.name] = after, channels
        yield Operation(node, before, after, channels_in, channels, work, weight)


def _shape_after(node: Node, before: Spatial, input_shape: Spatial) -> Spatial:
    match node.op:
        case "input":
            return input_shape[1:]
        case "embedding":
            return before or input_shape
        case "conv" | "conv_transpose":
            weight = next(parameter for parameter in node.params if parameter.role == "weight")
            return _windows(node, before, weight.canonical_shape[2:])
        case "max_pool" | "avg_pool":
            return _windows(node, before, _each(node.attrs.get("kernel_size"), len(before), 1))
        case "global_avg_pool":
            return _each(node.attrs.get("output_size"), len(before), 1)
        case "global_max_pool":
            return ()
        case "flatten":
            return () if node.attrs.get("start_axis", 1) in (0, 1) else (prod(before),)
        case "resize":
            size = node.attrs.get("size")
            return _each(size, len(before), 1) if size is not None else before
    return before


def _windows(node: Node, before: Spatial, kernel: Spatial) -> Spatial:
    """Positions of a sliding window; those of the input where the axes do not match."""
    axes = len(kernel)
    if len(before) != axes:
        return before
    pooling = node.op in ("max_pool", "avg_pool")
    stride = kernel if pooling and node.attrs.get("stride") is None else _given(node, "stride", axes, 1)
    padding = _given(node, "padding", axes, 0)
    dilation = _given(node, "dilation", axes, 1)
    extra = _given(node, "output_padding", axes, 0)
    shape = []
    for axis in range(axes):
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        if node.op == "conv_transpose":
            size = (before[axis] - 1) * stride[axis] - 2 * padding[axis] + reach + extra[axis]
        else:
            room = before[axis] + 2 * padding[axis] - reach
            rounded_up = stride[axis] - 1 if node.attrs.get("ceil_mode") is True else 0
            size = (room + rounded_up) // max(1, stride[axis]) + 1
        shape.append(max(1, size))
    return tuple(shape)


def _given(node: Node, key: str, axes: int, default: int) -> Spatial:
    return _each(node.attrs.get(key), axes, default)


def _each(value: AttrValue, axes: int, default: int) -> Spatial:
    """One whole number an axis, from one for all of them or a tuple; the default where it says neither."""
    if isinstance(value, int):
        return (value,) * axes
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) >= axes:
        numbers = value[:axes]
        if all(isinstance(number, int) for number in numbers):
            return tuple(int(number) for number in numbers)
    return (default,) * axes
