"""A linear layer or convolution and the vector added right behind it are one layer."""

from __future__ import annotations

from service.graph_io.onnx.draft import Draft, Owned, output_channels, readers_of
from service.graph_io.onnx.fusions.regions import only_reader
from service.graph_io.onnx.row import Fact
from service.graph_io.onnx.table import row_of
from service.graph_io.operators import PRODUCTS


def fuse_biases(drafts: list[Draft], outputs: list[Draft]) -> list[Draft]:
    readers = readers_of(drafts, outputs)
    for draft in drafts:
        if draft.op not in PRODUCTS or len(draft.owned) != 1:
            continue
        reader = only_reader(readers, draft)
        if reader is None or reader.op != "bias" or len(reader.owned) != 1 or reader.inputs != [draft]:
            continue
        weight, bias = draft.owned[0], reader.owned[0]
        if not _fits(draft, weight, bias):
            continue
        name, shape = draft.name, draft.shape
        draft.name, draft.owned = reader.name, []
        exact = draft.exact and reader.exact
        reader.become(
            draft.op, draft.kind, draft.inputs, [weight, Owned(bias.leaf, "bias")], draft.attrs, exact=exact
        )
        reader.name, reader.shape = name, shape
    return drafts


def _fits(layer: Draft, weight: Owned, bias: Owned) -> bool:
    """Whether the bias has one number for each output of the layer, along the layer's output axis."""
    outputs = output_channels(layer)
    if bias.leaf.numel != outputs:
        return False
    used = bias.shape or bias.leaf.shape
    behind = len(used) - 1 - next((axis for axis, dim in enumerate(used) if dim != 1), len(used) - 1)
    linear = layer.kind == "Gemm" or Fact.PRODUCT in row_of(layer.kind).facts
    spatial = 0 if linear else len(weight.leaf.shape) - 2
    return outputs == 1 or behind == spatial
