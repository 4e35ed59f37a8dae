"""The graph transformer of GHN-3 (Knyazev et al. 2023, section 3): every node attends to every other, and
learns from a bias how far apart they are and in which direction.

    x = x + Wo Attention(LN(x)),    x = x + W2 GELU(W1 LN(x))

All graphs of a batch go through the products together, and through attention one by one: nothing is padded,
so a graph in a batch gets what it would get alone.

Shape legend: N nodes of all graphs, n nodes of one graph, C node state width, H heads, D = C / H, K kinds of
pairs (a path of some length either way, or none)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from service.ghn.batch import GraphBatch, Paths
from service.ghn.config import GHNConfig

# Rows of the tables, as in published checkpoints.
MOST_NEIGHBOURS = 100
LONGEST_PATH = 1000
PATH_ROWS = 257


class GraphTransformer(nn.Module):
    """Maps h_NC to h_NC."""

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.predecessors = nn.Embedding(MOST_NEIGHBOURS + 1, config.hidden)
        self.successors = nn.Embedding(MOST_NEIGHBOURS + 1, config.hidden)
        self.from_input = nn.Embedding(LONGEST_PATH + 1, config.hidden)
        self.pair_bias = PairBias(config)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))

    def forward(self, h_NC: Tensor, batch: GraphBatch) -> Tensor:
        paths = batch.edges
        assert isinstance(paths, Paths)  # GraphBatch.from_graphs of the same configuration
        x_NC: Tensor = (
            h_NC
            + self.predecessors(paths.predecessors_N.clamp(max=MOST_NEIGHBOURS))
            + self.successors(paths.successors_N.clamp(max=MOST_NEIGHBOURS))
            + self.from_input(paths.from_input_N)
        )
        bias_Hnn = self.pair_bias(paths.pair_nn)
        for layer in self.layers:
            x_NC = layer(x_NC, bias_Hnn)
        return x_NC


class PairBias(nn.Module):
    """What is added to the attention of a pair of nodes, the same in every layer.

    A graph has no cycles, so of the paths between two nodes one at most exists: there are only 2 * cutoff + 1
    kinds of pairs, and the MLP runs once for each of them.
    """

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.cutoff = config.virtual_edge_cutoff
        self.path = nn.Embedding(PATH_ROWS, config.hidden)
        self.first = nn.Linear(2 * config.hidden, config.hidden)
        self.second = nn.Linear(config.hidden, config.heads)

    def forward(self, pair_nn: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """bias_Hnn of every graph. pair_nn: `Paths.pair_nn`."""
        length_K = torch.arange(self.cutoff + 1, device=self.path.weight.device)
        there = torch.cat([length_K, torch.zeros_like(length_K[1:])])
        back = torch.cat([torch.zeros_like(length_K), length_K[1:]])
        # Two rows of the published tables stand for pairs that a DAG does not have.
        pairs_K2C = torch.cat([self.path(there + 2), self.path(back + 2)], dim=1)
        table_KH = self.second(torch.relu(self.first(pairs_K2C)))
        return tuple(_Lookup.apply(table_KH.t(), *pair_nn))  # type: ignore[no-untyped-call]


class TransformerLayer(nn.Module):
    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        width = config.hidden
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, 4 * width)
        self.second = nn.Linear(4 * width, width)

    def forward(self, x_NC: Tensor, bias_Hnn: Sequence[Tensor]) -> Tensor:
        # Nodes along the last axis: products of whole score matrices with the few columns of a head take four
        # times as long as those of its few rows.
        qkv_3CN = self.qkv.weight @ self.attention_norm(x_NC).t()
        heard_CN = _Attention.apply(qkv_3CN, self.heads, *bias_Hnn)  # type: ignore[no-untyped-call]
        x_NC = x_NC + self.out(heard_CN.t())
        return x_NC + self.second(nn.functional.gelu(self.first(self.mlp_norm(x_NC))))  # type: ignore[no-any-return]


class _Lookup(torch.autograd.Function):
    """table_HK[:, pair] for every graph. The gradient counts pairs of a kind together, a head at a time:
    torch's own adds them one by one, over all heads.
    """

    @staticmethod
    def forward(ctx: Any, table_HK: Tensor, *pair_nn: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        ctx.pair_nn, ctx.kinds = pair_nn, table_HK.shape[1]
        return tuple(table_HK.index_select(1, pair.flatten()).view(-1, *pair.shape) for pair in pair_nn)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        total = gradients[0].new_zeros(gradients[0].shape[0], ctx.kinds)
        for pair, gradient in zip(ctx.pair_nn, gradients, strict=True):
            for head, values in enumerate(gradient):
                total[head] += torch.bincount(pair.flatten(), values.flatten(), ctx.kinds).to(total.dtype)
        return (total, *(None for _ in gradients))


class _Attention(torch.autograd.Function):
    """Attention inside every graph, from qkv_3CN and the graphs' bias_Hnn, which give their sizes. Returns
    heard_CN.

    Its gradient is written out, in place: score matrices are the largest tensors of a step, and each one that
    torch would make anew is a walk through memory.
    """

    @staticmethod
    def forward(ctx: Any, qkv_3CN: Tensor, heads: int, *bias_Hnn: Tensor) -> Tensor:  # type: ignore[override]
        heard_CN = qkv_3CN.new_empty(len(qkv_3CN) // 3, qkv_3CN.shape[1])
        scale = (len(heard_CN) // heads) ** -0.5
        weights = []
        for rows, bias in zip(_rows(bias_Hnn), bias_Hnn, strict=True):
            q, k, v = _by_head(qkv_3CN[:, rows], 3, heads)
            weight_Hnn = torch.baddbmm(bias, q.transpose(1, 2), k, alpha=scale)
            torch.softmax(weight_Hnn, -1, out=weight_Hnn)
            _by_head(heard_CN[:, rows], 1, heads)[0] = v @ weight_Hnn.transpose(1, 2)
            weights.append(weight_Hnn)
        ctx.heads, ctx.scale = heads, scale
        ctx.save_for_backward(qkv_3CN, heard_CN, *weights)
        return heard_CN

    @staticmethod
    def backward(ctx: Any, grad_CN: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        qkv_3CN, heard_CN, *weights = ctx.saved_tensors
        heads, grad_CN = ctx.heads, grad_CN.contiguous()
        grad_3CN = torch.empty_like(qkv_3CN)
        # Of a softmax: weight * (gradient - mean). The mean is one more row of the product.
        mean_H1N = (_by_head(grad_CN, 1, heads)[0] * _by_head(heard_CN, 1, heads)[0]).sum(1, keepdim=True)
        biases = []
        for rows, weight_Hnn in zip(_rows(weights), weights, strict=True):
            q, k, v = _by_head(qkv_3CN[:, rows], 3, heads)
            dq, dk, dv = _by_head(grad_3CN[:, rows], 3, heads)
            heard = _by_head(grad_CN[:, rows], 1, heads)[0]
            left = torch.cat([heard, mean_H1N[:, :, rows].neg()], dim=1)
            right = torch.cat([v, torch.ones_like(v[:, :1])], dim=1)
            ds_Hnn = (left.transpose(1, 2) @ right).mul_(weight_Hnn)
            dq.copy_(k @ ds_Hnn.transpose(1, 2)).mul_(ctx.scale)
            dk.copy_(q @ ds_Hnn).mul_(ctx.scale)
            dv.copy_(heard @ weight_Hnn)
            biases.append(ds_Hnn)
        return (grad_3CN, None, *biases)


def _rows(square_Hnn: Sequence[Tensor]) -> Iterator[slice]:
    """The rows of each graph."""
    start = 0
    for square in square_Hnn:
        yield slice(start, start := start + square.shape[-1])


def _by_head(x: Tensor, parts: int, heads: int) -> Tensor:
    """A view (parts, heads, D, n) of rows that hold the parts, each its heads."""
    return x.view(parts, heads, -1, x.shape[1])
