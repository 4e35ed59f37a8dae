"""Many cells as one set of tensors.

Shape legend: B architectures, V nodes of a cell (the most that the space has, the unused ones masked), R
numbers of a row, E pairs of nodes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.predictors.hypernas.cell_graph import LAYOUTS, CellGraph, Layout

_NO_NODE = -1


@dataclass(frozen=True, slots=True)
class CellBatch:
    """operation_BV: numbers in the operations of the space, int64, 0 where there is no node.
    flow_B2VV: [b, 0, i, j] is 1 where an edge leads from node i to node j > i, and on the diagonal of real
        nodes; [b, 1] is its transpose.
    mask_BV: 1 for real nodes.
    reduction: the reduction cells of the same architectures, where the space has them.
    """

    operation_BV: Tensor
    flow_B2VV: Tensor
    mask_BV: Tensor
    reduction: CellBatch | None = None

    def __len__(self) -> int:
        return len(self.operation_BV)

    def double(self) -> CellBatch:
        """The same in double precision."""
        reduction = None if self.reduction is None else self.reduction.double()
        return CellBatch(self.operation_BV, self.flow_B2VV.double(), self.mask_BV.double(), reduction)

    def __getitem__(self, rows: Tensor | slice) -> CellBatch:
        reduction = None if self.reduction is None else self.reduction[rows]
        return CellBatch(self.operation_BV[rows], self.flow_B2VV[rows], self.mask_BV[rows], reduction)


def cell_row(cell: CellGraph, space: str) -> list[float]:
    """An architecture as numbers of a fixed count: of its cell the operations (-1: no node), then the edges,
    row by row; then the same of its own reduction cell, where the space has them.
    """
    layout = LAYOUTS[space]
    own = _own_row(cell, layout)
    return own if cell.reduction is None else own + _own_row(cell.reduction, layout)


def _own_row(cell: CellGraph, layout: Layout) -> list[float]:
    operations = [float(layout.operations.index(name)) for name in cell.operations]
    upper = zip(*np.triu_indices(layout.most_nodes, k=1), strict=True)
    edges = set(cell.edges)
    return (
        operations
        + [float(_NO_NODE)] * (layout.most_nodes - len(operations))
        + [float((int(i), int(j)) in edges) for i, j in upper]
    )


def batch_of_rows(rows: Sequence[list[float]], space: str) -> CellBatch:
    """The cells of rows that `cell_row` made."""
    layout = LAYOUTS[space]
    count = layout.most_nodes + layout.most_nodes * (layout.most_nodes - 1) // 2
    row_BR = np.array(rows, dtype=np.float32).reshape(len(rows), count * (1 + layout.own_reduction))
    cells = _batch(row_BR[:, :count], layout)
    return replace(cells, reduction=_batch(row_BR[:, count:], layout)) if layout.own_reduction else cells


def _batch(row_BR: NDArray[np.float32], layout: Layout) -> CellBatch:
    nodes = layout.most_nodes
    number_BV, edge_BE = row_BR[:, :nodes], row_BR[:, nodes:]
    mask_BV = (number_BV != _NO_NODE).astype(np.float32)
    along_BVV = np.zeros((len(row_BR), nodes, nodes), dtype=np.float32)
    upper = np.triu_indices(nodes, k=1)
    along_BVV[:, upper[0], upper[1]] = edge_BE
    along_BVV[:, range(nodes), range(nodes)] = mask_BV
    return CellBatch(
        torch.from_numpy(np.maximum(number_BV, 0).astype(np.int64)),
        torch.from_numpy(np.stack([along_BVV, along_BVV.transpose(0, 2, 1)], axis=1)),
        torch.from_numpy(mask_BV),
    )


def make_batch(cells: Sequence[CellGraph], space: str) -> CellBatch:
    return batch_of_rows([cell_row(cell, space) for cell in cells], space)
