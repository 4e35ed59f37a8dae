"""What running a network costs, from its graph alone: training samples networks under a budget (GHN-2
paper, section 3).
"""

from __future__ import annotations

from service.graph_io.archgraph import ArchGraph, AttrValue, Node

# Reading and writing one activation costs about as much time as this many multiply-adds (measured on a CPU
# with bfloat16 matrix units: a batch normalisation or a ReLU against a dense convolution of the same
# features).
_MACS_PER_ACTIVATION = 150


def network_cost(graph: ArchGraph, image_size: int) -> float:
    """Millions of multiply-adds an image, forward, with activations counted as the time they take; square
    images.

    Meant for the graphs of the DARTS space; an operator that it does not know counts as one that keeps its
    input's shape.
    """
    channels: dict[str, int] = {}
    side: dict[str, float] = {}
    total = 0.0
    for node in graph.nodes:
        if node.op == "input":
            channels[node.name], side[node.name] = 3, float(image_size)
            continue
        if not node.inputs:
            channels[node.name], side[node.name] = _first(node.attrs.get("channels"), 0), 0.0
            continue
        width, size = channels[node.inputs[0]], max(side[name] for name in node.inputs)
        size_out, width_out, macs = size, width, 0.0
        if node.op == "conv":
            out, into, height, breadth = node.params[0].canonical_shape
            size_out = _shrunk(node, size, (height, breadth))
            # A depthwise convolution cannot use the matrix units well.
            macs = out * max(into, 16) * height * breadth * size_out**2
            width_out = out
        elif node.op in ("max_pool", "avg_pool"):
            size_out = _shrunk(node, size, (3, 3))
            macs = 2 * _MACS_PER_ACTIVATION * width * size_out**2
        elif node.op == "linear":
            width_out, into = node.params[0].canonical_shape
            macs = width_out * into * size**2
        elif node.op == "attention":
            width_out = width // 3
            macs = 2 * width_out * size**4 + 4 * _MACS_PER_ACTIVATION * size**4 / 16
        elif node.op == "concat":
            width_out = sum(channels[name] for name in node.inputs)
        elif node.op in ("global_avg_pool", "unary", "flatten"):
            size_out = 1.0
            if node.op == "flatten":
                width_out = int(width * size**2)
        elif node.op == "slice":
            size_out = size / 2
        elif node.op == "resize":
            size_out = _resized(node, size)
        channels[node.name], side[node.name] = width_out, size_out
        total += macs + _MACS_PER_ACTIVATION * width_out * size_out**2
    return total / 1e6


def _resized(node: Node, size: float) -> float:
    scale = node.attrs.get("scale")
    factor = scale[0] if isinstance(scale, tuple) and scale else scale
    if node.attrs.get("size") is None and isinstance(factor, int | float):
        return size * factor
    return float(_first(node.attrs.get("size"), 1))


def _first(value: AttrValue, default: int) -> int:
    if isinstance(value, tuple):
        return int(value[0])
    return default if value is None else int(value)


def _shrunk(node: Node, size: float, kernel: tuple[int, int]) -> float:
    stride, padding, dilation = (node.attrs.get(key) for key in ("stride", "padding", "dilation"))
    strides = stride if isinstance(stride, tuple) else (_first(stride, 1),) * 2
    reach = _first(dilation, 1) * (kernel[0] - 1) + 1
    full = (size + 2 * _first(padding, 0) - reach) // int(strides[0]) + 1
    if strides[0] != strides[-1]:
        # A 1x7 convolution shrinks one axis, the 7x1 behind it the other: half way after the first.
        return size / 2**0.5
    return float(full)
