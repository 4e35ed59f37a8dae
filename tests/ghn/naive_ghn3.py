"""GHN-3 a second time, in plain words: node by node, pair by pair, head by head, whole maps. Nothing of
`service.ghn` but the names of its weights and its vocabularies. Slow, for float64 and small graphs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from service.ghn.config import GHNConfig
from service.ghn.shape_encoder import shape_indices
from service.graph_io.operators import Primitive
from service.graph_io.primitives import Decoding, PrimitiveGraph, Target

Weights = Mapping[str, Tensor]


def states(w: Weights, graph: PrimitiveGraph, config: GHNConfig) -> Tensor:
    """Final node states, one row a node."""
    lengths = [
        [_path(graph, u, v, config.virtual_edge_cutoff) for v in range(len(graph))] for u in range(len(graph))
    ]
    inputs = [v for v in range(len(graph)) if graph.primitive_N[v] == Primitive.INPUT]
    rows = []
    for v in range(len(graph)):
        indices = shape_indices(graph.shapes[v], config.num_classes, config.max_kernel)
        out, inp, height, width = indices
        shape = [w["shape_encoder.channel.weight"][i] for i in (out, inp)]
        shape += [w["shape_encoder.spatial.weight"][i] for i in (height, width)]
        row = w["primitive.weight"][int(graph.primitive_N[v])] + torch.cat(shape)
        row = row + w["gnn.predecessors.weight"][sum(lengths[u][v] == 1 for u in range(len(graph)))]
        row = row + w["gnn.successors.weight"][sum(lengths[v][u] == 1 for u in range(len(graph)))]
        rows.append(row + w["gnn.from_input.weight"][lengths[inputs[0]][v] if inputs else 0])
    for layer in range(config.layers):
        part = {key.removeprefix(f"gnn.layers.{layer}."): value for key, value in w.items()}
        rows = _layer(w, part, rows, lengths, config.heads)
    return torch.stack([_norm(row, w["layer_norm.weight"], w["layer_norm.bias"]) for row in rows])


def _path(graph: PrimitiveGraph, start: int, end: int, cutoff: int) -> int:
    """Length of the shortest directed path, 0 without one: breadth first."""
    reached, length = {start}, 0
    while reached and length <= cutoff:
        if end in reached:
            return length
        reached = {v for v in range(len(graph)) if reached & set(graph.predecessors[v])}
        length += 1
    return 0


def _linear(w: Weights, name: str, x: Tensor) -> Tensor:
    y = w[f"{name}.weight"] @ x
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def _norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return (x - x.mean()) / torch.sqrt(((x - x.mean()) ** 2).mean() + 1e-5) * weight + bias


def _layer(
    w: Weights, part: Weights, rows: list[Tensor], lengths: list[list[int]], heads: int
) -> list[Tensor]:
    width = len(rows[0]) // heads
    qkv = [
        _linear(part, "qkv", _norm(x, part["attention_norm.weight"], part["attention_norm.bias"]))
        for x in rows
    ]
    table = w["gnn.pair_bias.path.weight"]
    after = []
    for i, x in enumerate(rows):
        bias = [
            _linear(w, "gnn.pair_bias.second", torch.relu(_linear(w, "gnn.pair_bias.first", torch.cat(
                [table[lengths[i][j] + 2], table[lengths[j][i] + 2]]
            ))))
            for j in range(len(rows))
        ]  # fmt: skip
        parts = []
        for head in range(heads):
            q, k, v = ([three.chunk(3)[which].chunk(heads)[head] for three in qkv] for which in range(3))
            scores = torch.stack([q[i] @ k[j] / math.sqrt(width) + bias[j][head] for j in range(len(rows))])
            shares = torch.exp(scores - scores.max().detach())
            shares = shares / shares.sum()
            parts.append(sum(shares[j] * v[j] for j in range(len(rows))))
        x = x + _linear(part, "out", torch.cat(parts))
        y = _linear(part, "first", _norm(x, part["mlp_norm.weight"], part["mlp_norm.bias"]))
        after.append(x + _linear(part, "second", 0.5 * y * (1 + torch.erf(y / math.sqrt(2)))))
    return after


def value(w: Weights, target: Target, state: Tensor, config: GHNConfig) -> Tensor:
    """The parameter, in canonical layout, normalised where the configuration says so."""
    shape = target.parameter.canonical_shape
    if target.decoding in (Decoding.WEIGHT, Decoding.POSITION, Decoding.CLASS_WEIGHT):
        found = _weight(w, target.decoding, shape, state, config)
    else:
        pair = _linear(w, "vector_decoder.second", torch.relu(_linear(w, "vector_decoder.first", state)))
        row = pair[: len(pair) // 2] if target.decoding is Decoding.NORM_WEIGHT else pair[len(pair) // 2 :]
        if target.decoding is Decoding.CLASS_BIAS:
            row = _linear(w, "vector_decoder.classifier", torch.relu(row))
        found = _repeat(row, 0, shape[0])
    if not config.normalize:
        return found
    if target.decoding is Decoding.NORM_WEIGHT:
        return 2 / (1 + torch.exp(-found / 2))
    if target.decoding in (Decoding.NORM_BIAS, Decoding.BIAS, Decoding.CLASS_BIAS):
        return torch.tanh(found / 5)
    if target.decoding is Decoding.POSITION:
        return found
    depthwise = len(shape) > 2 and shape[1] == 1
    wide = len(shape) > 3 and shape[2] < shape[3]
    return found * math.sqrt((1 if depthwise or wide else 2) / math.prod(shape[1:]))


def _weight(
    w: Weights, decoding: Decoding, shape: tuple[int, ...], state: Tensor, config: GHNConfig
) -> Tensor:
    size, most = config.max_kernel, config.max_channels
    spots = torch.relu(_linear(w, "decoder.spatial", state)).view(4 * config.hidden, size, size)
    whole = torch.empty(most, most, size, size, dtype=state.dtype)
    for row in range(size):
        for column in range(size):
            mixed = torch.relu(_linear(w, "decoder.mix", spots[:, row, column]))
            whole[:, :, row, column] = _linear(w, "decoder.channels", mixed).view(most, most)
    if decoding is Decoding.CLASS_WEIGHT:
        middle = torch.relu(whole[:, :, size // 2, size // 2])
        classes = torch.stack([_linear(w, "decoder.classifier", middle[:, i]) for i in range(most)], dim=1)
        return _repeat(_repeat(classes, 0, shape[0]), 1, shape[1]).reshape(shape)
    if decoding is Decoding.POSITION:
        length, width = shape[-2:]
        side = math.isqrt(length)
        grid = _repeat(_window(whole[0], side, side), 0, width).reshape(width, side * side).T
        extra = length - side * side
        return torch.cat([grid[side * side - extra :], grid]).reshape(shape) if extra else grid.reshape(shape)
    height, width = (*shape[2:], 1, 1)[:2]
    block = _window(whole, height, width)
    return _repeat(_repeat(block, 0, shape[0]), 1, shape[1]).reshape(shape)


def _window(maps: Tensor, height: int, width: int) -> Tensor:
    """The middle of maps (..., S, S); for more than there is, all of it, interpolated."""
    for axis, want in ((-2, height), (-1, width)):
        size = maps.shape[axis]
        if want <= size:
            maps = maps.narrow(axis, size // 2 - want // 2, want)
            continue
        lines = []
        for position in range(want):
            place = min(max((position + 0.5) * size / want - 0.5, 0), size - 1)
            low = min(int(place), size - 2)
            share = place - low
            lines.append(maps.select(axis, low) * (1 - share) + maps.select(axis, low + 1) * share)
        maps = torch.stack(lines, dim=axis)
    return maps


def _repeat(x: Tensor, axis: int, size: int) -> Tensor:
    return x.index_select(axis, torch.arange(size) % x.shape[axis])
