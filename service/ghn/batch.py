"""Several primitive graphs as index arrays, ready for the GNN.

Shape legend: N nodes of all graphs in the batch, n nodes of one graph
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.ghn.anytime import marks
from service.ghn.chain import module_graph, modules_of
from service.ghn.config import GHNConfig
from service.ghn.messages import Messages, messages_of
from service.ghn.shape_encoder import shape_indices
from service.graph_io.operators import Primitive
from service.graph_io.primitives import PrimitiveGraph
from service.graph_io.topology import depths


@dataclass(frozen=True, slots=True)
class Module:
    """One module of every graph that has so many. start, stop: its rows. graph_n: whose node a row is.
    is_entry_n: whether it reads nothing within its module. messages: of these rows alone, counted from 0.
    """

    start: int
    stop: int
    graph_n: Tensor
    is_entry_n: Tensor
    messages: Messages

    def to(self, device: torch.device | str) -> Module:
        return replace(
            self,
            graph_n=self.graph_n.to(device),
            is_entry_n=self.is_entry_n.to(device),
            messages=self.messages.to(device),
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """The modules of networks that are chains of them, for the stacked GNN: those of one number together."""

    modules: tuple[Module, ...]

    def to(self, device: torch.device | str) -> Chain:
        return Chain(tuple(module.to(device) for module in self.modules))


@dataclass(frozen=True, slots=True)
class Paths:
    """How far nodes are from each other, for the transformer. Rows of a graph lie together.

    predecessors_N, successors_N: how many direct ones. from_input_N: length of the shortest path from the
    input, 0 where there is none within the cutoff.
    pair_nn: of every graph, [query, key] = length of the shortest path from query to key, cutoff + length of
    the one from key to query, or 0 where there is neither.
    """

    predecessors_N: Tensor
    successors_N: Tensor
    from_input_N: Tensor
    pair_nn: tuple[Tensor, ...]

    def to(self, device: torch.device | str) -> Paths:
        return Paths(
            self.predecessors_N.to(device),
            self.successors_N.to(device),
            self.from_input_N.to(device),
            tuple(pair.to(device) for pair in self.pair_nn),
        )


@dataclass(frozen=True, slots=True)
class GraphBatch:
    """primitive_N, shape_N4, mark_N2: node features (`shape_encoder.shape_indices`, `anytime.marks`).
    edges: what the configuration's GNN reads of the edges.
    rows: for every graph, the row of each of its nodes.
    """

    graphs: tuple[PrimitiveGraph, ...]
    primitive_N: Tensor
    shape_N4: Tensor
    mark_N2: Tensor
    edges: Messages | Chain | Paths
    rows: tuple[NDArray[np.int64], ...]

    @classmethod
    def from_graphs(cls, graphs: Sequence[PrimitiveGraph], config: GHNConfig) -> GraphBatch:
        """Memory of many nodes grows with the paths within the cutoff; for a transformer with the square of
        the nodes of each graph.
        """
        starts = np.cumsum([0, *(len(graph) for graph in graphs)])
        edges: Messages | Chain | Paths
        if config.is_transformer:
            order = row_of = np.arange(starts[-1])
            edges = _paths(graphs, config.virtual_edge_cutoff)
        elif config.gnn == "stacked":
            order, edges = _chain(graphs, config)
            row_of = _inverse(order)
        else:
            order, edges = _by_level(graphs, config)
            row_of = _inverse(order)
        features = [
            shape_indices(shape, config.num_classes, config.max_kernel)
            for graph in graphs
            for shape in graph.shapes
        ]
        primitive_N = np.concatenate([graph.primitive_N for graph in graphs])
        return cls(
            graphs=tuple(graphs),
            primitive_N=torch.from_numpy(primitive_N[order]),
            shape_N4=torch.from_numpy(np.array(features, dtype=np.int64)[order]),
            mark_N2=torch.from_numpy(marks(graphs)[order]),
            edges=edges,
            rows=tuple(row_of[start:stop] for start, stop in pairwise(starts)),
        )

    def to(self, device: torch.device | str) -> GraphBatch:
        return replace(
            self,
            primitive_N=self.primitive_N.to(device),
            shape_N4=self.shape_N4.to(device),
            mark_N2=self.mark_N2.to(device),
            edges=self.edges.to(device),
        )


def _inverse(order: NDArray[np.int64]) -> NDArray[np.int64]:
    row_of = np.empty_like(order)
    row_of[order] = np.arange(len(order))
    return row_of


def _by_level(graphs: Sequence[PrimitiveGraph], config: GHNConfig) -> tuple[NDArray[np.int64], Messages]:
    """The nodes of all graphs in the order of their rows, and their messages."""
    depth_N = np.array([depth for graph in graphs for depth in depths(graph.predecessors)], dtype=np.int64)
    order = np.argsort(depth_N, kind="stable")
    has_virtual_edges = config.virtual_edges and config.gnn != "mlp"
    cutoff = config.virtual_edge_cutoff if has_virtual_edges else None
    return order, messages_of(graphs, depth_N[order], _inverse(order), cutoff)


def _chain(graphs: Sequence[PrimitiveGraph], config: GHNConfig) -> tuple[NDArray[np.int64], Chain]:
    """The nodes of all graphs in the order of their rows, and their modules."""
    firsts = np.cumsum([0, *(len(graph) for graph in graphs)])
    numbers = [modules_of(graph) for graph in graphs]
    orders: list[NDArray[np.int64]] = []
    modules: list[Module] = []
    start = 0
    for number in range(max(int(each.max()) for each in numbers) + 1):
        nodes = [np.flatnonzero(each == number) for each in numbers]
        parts = [module_graph(graph, chosen) for graph, chosen in zip(graphs, nodes, strict=True)]
        order, messages = _by_level(parts, config)
        entry = np.array([not sources for part in parts for sources in part.predecessors])
        owner = np.repeat(np.arange(len(graphs)), [len(chosen) for chosen in nodes])
        orders.append(np.concatenate([first + c for first, c in zip(firsts, nodes, strict=False)])[order])
        stop = start + len(order)
        modules.append(
            Module(start, stop, torch.from_numpy(owner[order]), torch.from_numpy(entry[order]), messages)
        )
        start = stop
    return np.concatenate(orders), Chain(tuple(modules))


def _paths(graphs: Sequence[PrimitiveGraph], cutoff: int) -> Paths:
    predecessors, successors, from_input, pairs = [], [], [], []
    for graph in graphs:
        # [v, u] is the length of the path from u to v; the graph has no cycle, so one of [v, u], [u, v] is 0.
        distance = graph.distances(cutoff).astype(np.int64)
        direct = distance == 1
        predecessors.append(direct.sum(axis=1))
        successors.append(direct.sum(axis=0))
        source = int(np.argmax(graph.primitive_N == Primitive.INPUT))
        from_input.append(distance[:, source])
        pairs.append(torch.from_numpy(distance.T + np.where(distance > 0, distance + cutoff, 0)))
    return Paths(
        predecessors_N=torch.from_numpy(np.concatenate(predecessors)),
        successors_N=torch.from_numpy(np.concatenate(successors)),
        from_input_N=torch.from_numpy(np.concatenate(from_input)),
        pair_nn=tuple(pairs),
    )
