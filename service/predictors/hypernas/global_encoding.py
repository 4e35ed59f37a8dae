"""A network as a sequence of cells that know what stands before them (HyperNAS paper, key design 1).

Shape legend: B architectures, N cells of the network, V nodes of a cell, C node feature width
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from service.predictors.hypernas.batch import CellBatch, make_batch
from service.predictors.hypernas.cell_graph import LAYOUTS, REDUCTIONS
from service.predictors.hypernas.config import HyperNASConfig
from service.predictors.hypernas.encoder import CellEncoder, no_context, pool


@dataclass(frozen=True, slots=True)
class NetworkFeatures:
    """node_BVC: of every cell, in the order of the network; what weights are generated from.
    network_BC: the mean of the cells' features; what the score is regressed on.
    """

    node_BVC: tuple[Tensor, ...]
    network_BC: Tensor


class GlobalEncoding(nn.Module):
    """Encodes the cells of a network one after the other with one shared encoder.

    Every architecture has one cell of its own, repeated; between the stages stands its own reduction cell, or
    that of the space.
    """

    def __init__(self, config: HyperNASConfig) -> None:
        super().__init__()
        self.config = config
        operations = LAYOUTS[config.space].operations
        self.encoder = CellEncoder(len(operations), config.hidden, config.layers)
        if config.encoding == "positional":
            self.position_NC = nn.Parameter(torch.empty(config.num_cells, config.hidden))
            nn.init.normal_(self.position_NC)
        shared = REDUCTIONS.get(config.space)
        self._reduction = None if shared is None else make_batch([shared], config.space)

    def forward(self, cell: CellBatch) -> NetworkFeatures:
        if self.config.encoding == "isolated":
            return self._isolated(cell)
        before_BC = no_context(cell, self.config.hidden)
        nodes: list[Tensor] = []
        features: list[Tensor] = []
        for place, is_reduction in enumerate(cell_sequence(self.config)):
            here = self._reductions(cell) if is_reduction else cell
            if self.config.encoding == "positional":
                before_BC = self.position_NC[place].expand(len(cell), -1)
            node_BVC = self.encoder(here, before_BC)
            feature_BC = pool(node_BVC, here.mask_BV)
            nodes.append(node_BVC)
            features.append(feature_BC)
            if self.config.encoding == "propagated":
                before_BC = feature_BC
        return NetworkFeatures(tuple(nodes), torch.stack(features).mean(0))

    def _isolated(self, cell: CellBatch) -> NetworkFeatures:
        """Every cell by itself: equal cells have equal features. The network's is its cell's, or the mean of
        those of its cells where it has two kinds of its own.
        """
        nothing_BC = no_context(cell, self.config.hidden)
        reduction = self._reductions(cell)
        own_BVC = self.encoder(cell, nothing_BC)
        reduction_BVC = self.encoder(reduction, nothing_BC)
        sequence = cell_sequence(self.config)
        nodes = tuple(reduction_BVC if reduces else own_BVC for reduces in sequence)
        own_BC = pool(own_BVC, cell.mask_BV)
        if cell.reduction is None:
            return NetworkFeatures(nodes, own_BC)
        share = sum(sequence) / len(sequence)
        return NetworkFeatures(nodes, (1 - share) * own_BC + share * pool(reduction_BVC, reduction.mask_BV))

    def _reductions(self, cell: CellBatch) -> CellBatch:
        """A reduction beside each of the cells, in their precision."""
        if cell.reduction is not None:
            return cell.reduction
        assert self._reduction is not None  # of a space whose architectures have none of their own
        reduction, count = self._reduction, len(cell)
        return CellBatch(
            reduction.operation_BV.expand(count, -1),
            reduction.flow_B2VV.to(cell.flow_B2VV).expand(count, -1, -1, -1),
            reduction.mask_BV.to(cell.mask_BV).expand(count, -1),
        )


def cell_sequence(config: HyperNASConfig) -> tuple[bool, ...]:
    """For every cell of the network, whether it is a reduction."""
    stage = (False,) * config.cells_per_stage
    return (*stage, *((True, *stage) * (config.stages - 1)))
