"""How much arithmetic a prediction needs."""

from __future__ import annotations

from math import prod

from service.ghn.config import GHNConfig
from service.ghn.decoder import HIDDEN_CHANNELS, MAP_CHANNELS
from service.graph_io.primitives import Decoding, PrimitiveGraph


def gnn_multiply_adds(graph: PrimitiveGraph, config: GHNConfig) -> int:
    """Of a gated GNN: in each direction a GRU cell and two message MLPs a node, and one sum a message."""
    width, inner = config.hidden, config.hidden // 2
    heard = int((graph.distances(config.virtual_edge_cutoff) > 0).sum())
    edges = sum(len(sources) for sources in graph.predecessors)
    node = 6 * width**2 + 2 * 2 * width * inner
    return 2 * config.rounds * (len(graph) * node + (heard + edges) * width)


def decoder_multiply_adds(graph: PrimitiveGraph, config: GHNConfig) -> int:
    """Of the layers' weights. Vectors are left out: they are a thousandth."""
    total = 0
    for target in graph.targets:
        if target.decoding not in (Decoding.WEIGHT, Decoding.CLASS_WEIGHT):
            continue
        out, inp, *kernel = target.parameter.canonical_shape
        grid = prod(min(size, config.max_kernel) for size in kernel)
        block = min(out, config.max_channels) * min(inp, config.max_channels)
        if target.decoding is Decoding.CLASS_WEIGHT:
            grid, block = 1, config.max_channels**2
        position = MAP_CHANNELS * (config.hidden + HIDDEN_CHANNELS) + HIDDEN_CHANNELS * block
        total += grid * position
    return total
