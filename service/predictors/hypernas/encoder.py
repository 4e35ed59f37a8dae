"""The graph encoder that both tasks share: graph convolutions that send along edges and against them.

Shape legend: B architectures, V nodes of a cell, C node feature width
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from service.predictors.hypernas.batch import CellBatch


class BidirectionalConvolution(nn.Module):
    """V' = ReLU(E V W+) / 2 + ReLU(E^T V W-) / 2 (HyperNAS paper, key design 1).

    E has ones on its diagonal, so that a node keeps its own state; each direction has a bias. Both directions
    are one product: for graphs of a few nodes the number of operators is what costs.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.flows = nn.Linear(width, 2 * width)

    def forward(self, node_BVC: Tensor, flow_B2VV: Tensor) -> Tensor:
        batch, nodes, width = node_BVC.shape
        sent_B2VC = self.flows(node_BVC).view(batch, nodes, 2, width).transpose(1, 2)
        flowed_BVC: Tensor = F.relu(flow_B2VV @ sent_B2VC).mean(1)
        return flowed_BVC


class CellEncoder(nn.Module):
    """Node features of a cell, given what stands before it."""

    def __init__(self, operations: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.operation = nn.Embedding(operations, hidden)
        self.convolutions = nn.ModuleList(BidirectionalConvolution(hidden) for _ in range(layers))

    def forward(self, cell: CellBatch, context_BC: Tensor) -> Tensor:
        """context_BC is added to the features of every node before the first convolution. Returns node_BVC,
        zero where there is no node.
        """
        node_BVC: Tensor = self.operation(cell.operation_BV) + context_BC.unsqueeze(1)
        for convolution in self.convolutions:
            node_BVC = convolution(node_BVC, cell.flow_B2VV)
        return node_BVC * cell.mask_BV.unsqueeze(-1)


def pool(node_BVC: Tensor, mask_BV: Tensor) -> Tensor:
    """The feature of a cell: the mean of its nodes' features."""
    total_BC: Tensor = node_BVC.sum(1)
    return total_BC / mask_BV.sum(1, keepdim=True)


def no_context(cell: CellBatch, width: int) -> Tensor:
    """What stands before the first cell: nothing."""
    return torch.zeros(len(cell), width, device=cell.mask_BV.device)
