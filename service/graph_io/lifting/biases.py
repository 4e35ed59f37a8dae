"""A linear layer or convolution and the vector added right behind it are one layer."""

from __future__ import annotations

from dataclasses import replace

from service.graph_io.archgraph import Parameter
from service.graph_io.lifting.linked import LinkedGraph, LinkedNode, marks_of, placed_shape
from service.graph_io.lifting.regions import only_reader
from service.graph_io.operators import PRODUCTS


def join_biases(graph: LinkedGraph) -> None:
    vectors = [node for node in graph.nodes if node.op == "bias" and len(node.inputs) == 1]
    if not vectors:
        return
    readers = graph.readers()
    for reader in vectors:
        (node,) = reader.inputs
        if node.op not in PRODUCTS or len(node.params) != 1 or len(reader.params) != 1:
            continue
        if only_reader(readers, node) is not reader:
            continue
        (weight,), (bias,) = node.params, reader.params
        if not _fits(node, weight, reader):
            continue
        # The layer keeps its name, and its readers read the last node.
        node.name, reader.name = reader.name, node.name
        reader.op, reader.inputs, node.params = node.op, node.inputs, ()
        reader.params = (weight, replace(bias, role="bias"))
        reader.attrs = {**node.attrs, **marks_of(reader)}
    graph.prune()


def _fits(layer: LinkedNode, weight: Parameter, reader: LinkedNode) -> bool:
    """Whether the bias has one number for each output of the layer, along the layer's output axis."""
    outputs = output_channels(layer)
    used = placed_shape(reader)
    if reader.params[0].numel != outputs:
        return False
    behind = len(used) - 1 - next((axis for axis, size in enumerate(used) if size != 1), len(used) - 1)
    stride = layer.attrs.get("stride")
    positions = len(stride) if isinstance(stride, tuple) else 0
    return outputs == 1 or behind == positions


def output_channels(layer: LinkedNode) -> int | None:
    """Numbers that a convolution or linear layer gives for each position, None for anything else."""
    if layer.op not in PRODUCTS or not layer.params:
        return None
    weight = layer.params[0]
    if layer.op == "conv_transpose":
        groups = layer.attrs.get("groups", 1)
        return weight.shape[1] * (groups if isinstance(groups, int) else 1)
    return weight.canonical_shape[0]
