"""What a network costs for one input, from its graph alone.

An estimate where a graph does not say how tensors are laid out: a reshape is taken to keep the number of
positions, a flattening from the first axis on to leave one. For the convolutional networks of the cell spaces
it is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from service.graph_io.archgraph import ArchGraph, AttrValue, Node, Parameter
from service.graph_io.operators import PRODUCTS

Spatial = tuple[int, ...]
_VIEWS = frozenset({"reshape", "flatten", "permute", "slice"})


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
    # By what a view shows a part or another order of.
    maker: dict[str, str] = {}
    for node in graph.nodes:
        maker[node.name] = maker[node.inputs[0]] if node.op in _VIEWS else node.name
        if len(node.inputs) == 1:  # as most have
            (only,) = node.inputs
            before, channels = spatial[only], width[only]
        else:
            before = max((spatial[name] for name in node.inputs), key=prod, default=())
            channels = max((width[name] for name in node.inputs), default=0)
        channels_in = channels
        after = _shape_after(node, before, graph.input_shape)
        work, weight = 0, None
        if node.op in PRODUCTS:
            weight = next(parameter for parameter in node.params if parameter.role == "weight")
            work = weight.numel * prod(before if node.op == "conv_transpose" else after)
            channels = weight.canonical_shape[0]
        elif node.op == "attention":
            if len({maker[name] for name in node.inputs[:3]}) == 1 and len(set(node.inputs[:3])) != 2:
                # Queries, keys and values are thirds of one projection.
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
            size, scale = node.attrs.get("size"), node.attrs.get("scale")
            if size is not None:
                return _each(size, len(before), 1)
            return _scaled(before, scale)
    return before


def _scaled(before: Spatial, scale: AttrValue) -> Spatial:
    factors = scale if isinstance(scale, tuple) else (scale,) * len(before)
    if len(factors) != len(before):
        return before
    return tuple(
        max(1, int(positions * factor)) if isinstance(factor, int | float) else positions
        for positions, factor in zip(before, factors, strict=True)
    )


def _windows(node: Node, before: Spatial, kernel: Spatial) -> Spatial:
    """Positions of a sliding window; those of the input where the axes do not match."""
    if len(before) != len(kernel):
        return before
    get = node.attrs.get
    pooling = node.op in ("max_pool", "avg_pool")
    stride = kernel if pooling and get("stride") is None else get("stride")
    rounds_up = get("ceil_mode") is True
    return _positions(
        before, kernel, stride, get("padding"), get("dilation"), get("output_padding"),
        node.op == "conv_transpose", rounds_up,
    )  # fmt: skip


@lru_cache(maxsize=4096)  # a network has few windows, many times
def _positions(
    before: Spatial, kernel: Spatial, stride: AttrValue, padding: AttrValue, dilation: AttrValue,
    output_padding: AttrValue, transposed: bool, rounds_up: bool,
) -> Spatial:  # fmt: skip
    axes = len(kernel)
    strides, dilations = _each(stride, axes, 1), _each(dilation, axes, 1)
    paddings, extra = _each(padding, axes, 0), _each(output_padding, axes, 0)
    shape = []
    for axis in range(axes):
        reach = dilations[axis] * (kernel[axis] - 1) + 1
        if transposed:
            size = (before[axis] - 1) * strides[axis] - 2 * paddings[axis] + reach + extra[axis]
        else:
            room = before[axis] + 2 * paddings[axis] - reach
            rounded_up = strides[axis] - 1 if rounds_up else 0
            size = (room + rounded_up) // max(1, strides[axis]) + 1
        shape.append(max(1, size))
    return tuple(shape)


def _each(value: AttrValue, axes: int, default: int) -> Spatial:
    """One whole number an axis, from one for all of them or a tuple; the default where it says neither."""
    if isinstance(value, int):
        return (value,) * axes
    if isinstance(value, tuple | list) and len(value) >= axes:
        numbers = value[:axes]
        if all(isinstance(number, int) for number in numbers):
            return tuple(map(int, numbers))
    return (default,) * axes
