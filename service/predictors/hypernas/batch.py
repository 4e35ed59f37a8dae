"""Many cells as one set of tensors.

Shape legend: B architectures, V nodes of a cell (MAX_NODES, the unused ones masked), R numbers of a row
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from service.predictors.hypernas.cell_graph import MAX_NODES, OPERATIONS, CellGraph

_NUMBER = {name: number for number, name in enumerate(OPERATIONS)}
_NO_NODE = -1
_UPPER = np.triu_indices(MAX_NODES, k=1)
_PLACE = {(int(i), int(j)): place for place, (i, j) in enumerate(zip(*_UPPER, strict=True))}


@dataclass(frozen=True, slots=True)
class CellBatch:
    """operation_BV: numbers in OPERATIONS, int64, 0 where there is no node.
    flow_B2VV: [b, 0, i, j] is 1 where an edge leads from node i to node j > i, and on the diagonal of real
        nodes; [b, 1] is its transpose.
    mask_BV: 1 for real nodes.
    """

    operation_BV: Tensor
    flow_B2VV: Tensor
    mask_BV: Tensor

    def __len__(self) -> int:
        return len(self.operation_BV)

    def double(self) -> CellBatch:
        """The same in double precision."""
        return CellBatch(self.operation_BV, self.flow_B2VV.double(), self.mask_BV.double())

    def __getitem__(self, rows: Tensor | slice) -> CellBatch:
        return CellBatch(self.operation_BV[rows], self.flow_B2VV[rows], self.mask_BV[rows])


def cell_row(cell: CellGraph) -> list[float]:
    """A cell as numbers of a fixed count: its operations (-1: no node), then its edges, row by row."""
    operations = [float(_NUMBER[name]) for name in cell.operations]
    edges = [0.0] * len(_PLACE)
    for edge in cell.edges:
        edges[_PLACE[edge]] = 1.0
    return operations + [float(_NO_NODE)] * (MAX_NODES - len(operations)) + edges


def batch_of_rows(rows: Sequence[list[float]]) -> CellBatch:
    """The cells of rows that `cell_row` made."""
    row_BR = np.array(rows, dtype=np.float32).reshape(len(rows), MAX_NODES + len(_PLACE))
    number_BV, edge_BE = row_BR[:, :MAX_NODES], row_BR[:, MAX_NODES:]
    mask_BV = (number_BV != _NO_NODE).astype(np.float32)
    along_BVV = np.zeros((len(rows), MAX_NODES, MAX_NODES), dtype=np.float32)
    along_BVV[:, _UPPER[0], _UPPER[1]] = edge_BE
    along_BVV[:, range(MAX_NODES), range(MAX_NODES)] = mask_BV
    return CellBatch(
        torch.from_numpy(np.maximum(number_BV, 0).astype(np.int64)),
        torch.from_numpy(np.stack([along_BVV, along_BVV.transpose(0, 2, 1)], axis=1)),
        torch.from_numpy(mask_BV),
    )


def make_batch(cells: Sequence[CellGraph]) -> CellBatch:
    return batch_of_rows([cell_row(cell) for cell in cells])
