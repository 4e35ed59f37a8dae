"""Several primitive graphs as index arrays, ready for the GNN.

Shape legend: N nodes of all graphs in the batch
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.ghn.config import GHNConfig
from service.ghn.shape_encoder import shape_indices
from service.graph_io.primitives import PrimitiveGraph


@dataclass(frozen=True, slots=True)
class GraphBatch:
    """Nodes are sorted by level, the longest path from a source: nodes of one level never depend on each
    other, so a pass over the graph updates them together, for all graphs of the batch at once.

    primitive_N, shape_N4: node features (`shape_encoder.shape_indices`).
    levels: (start, stop) rows of every level.
    direct_NN: float32, [v, u] = 1 where an edge u -> v exists.
    virtual_NN: float32, [v, u] = 1 / length of the shortest path from u to v; None without virtual edges.
    rows: for every graph, the row of each of its nodes.
    """

    graphs: tuple[PrimitiveGraph, ...]
    primitive_N: Tensor
    shape_N4: Tensor
    levels: tuple[tuple[int, int], ...]
    direct_NN: Tensor
    virtual_NN: Tensor | None
    rows: tuple[NDArray[np.int64], ...]

    @classmethod
    def from_graphs(cls, graphs: Sequence[PrimitiveGraph], config: GHNConfig) -> GraphBatch:
        """Sort the nodes of all graphs by level and fill the message matrices. Memory grows with N * N."""
        depth_N = np.concatenate([_depths(graph) for graph in graphs])
        order = np.argsort(depth_N, kind="stable")
        row_of = np.empty_like(order)
        row_of[order] = np.arange(len(order))
        starts = np.cumsum([0, *(len(graph) for graph in graphs)])
        rows = tuple(row_of[start:stop] for start, stop in pairwise(starts))
        bounds = np.flatnonzero(np.diff(depth_N[order], prepend=-1)).tolist()
        levels = tuple(zip(bounds, [*bounds[1:], len(order)], strict=True))

        features = [
            shape_indices(shape, config.num_classes, config.max_kernel)
            for graph in graphs
            for shape in graph.shapes
        ]
        primitive_N = np.concatenate([graph.primitive_N for graph in graphs])
        direct, virtual = _message_matrices(graphs, rows, len(order), config)
        return cls(
            graphs=tuple(graphs),
            primitive_N=torch.from_numpy(primitive_N[order]),
            shape_N4=torch.from_numpy(np.array(features, dtype=np.int64)[order]),
            levels=levels,
            direct_NN=torch.from_numpy(direct),
            virtual_NN=None if virtual is None else torch.from_numpy(virtual),
            rows=rows,
        )

    def to(self, device: torch.device | str) -> GraphBatch:
        return GraphBatch(
            graphs=self.graphs,
            primitive_N=self.primitive_N.to(device),
            shape_N4=self.shape_N4.to(device),
            levels=self.levels,
            direct_NN=self.direct_NN.to(device),
            virtual_NN=None if self.virtual_NN is None else self.virtual_NN.to(device),
            rows=self.rows,
        )


def _depths(graph: PrimitiveGraph) -> NDArray[np.int64]:
    depth: list[int] = []
    for sources in graph.predecessors:
        depth.append(1 + max((depth[source] for source in sources), default=-1))
    return np.array(depth, dtype=np.int64)


def _message_matrices(
    graphs: Sequence[PrimitiveGraph], rows: Sequence[NDArray[np.int64]], num_nodes: int, config: GHNConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    direct = np.zeros((num_nodes, num_nodes), dtype=np.float32)
    virtual = np.zeros_like(direct) if config.virtual_edges and config.gnn == "gated" else None
    # Path lengths are small integers: their reciprocals come from a table.
    reciprocal = np.zeros(config.virtual_edge_cutoff + 1, dtype=np.float32)
    reciprocal[1:] = 1.0 / np.arange(1, config.virtual_edge_cutoff + 1)
    for graph, row in zip(graphs, rows, strict=True):
        targets = [target for target, sources in enumerate(graph.predecessors) for _ in sources]
        origins = [source for sources in graph.predecessors for source in sources]
        direct[row[targets], row[origins]] = 1.0
        if virtual is not None:
            virtual[np.ix_(row, row)] = reciprocal[graph.distances(config.virtual_edge_cutoff)]
    return direct, virtual
