"""The stacked GHN: module after module of a network, each told what the one before it is (GHN-1 paper,
section 2, figure 2 and table 4).

Within a module messages pass as in `gated_gnn.GatedGNN`; none passes between modules. Instead the mean state
of a module's nodes, once they are final, is a message to the nodes of the next module that read nothing
within it:
    h_v = GRU(MLP(mean of the module before), h_v)

Shape legend: N nodes of all graphs, n nodes of one module of every graph, G graphs, C node state width
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from service.ghn.batch import Chain, GraphBatch
from service.ghn.config import GHNConfig
from service.ghn.gated_gnn import GatedGNN


class StackedGNN(nn.Module):
    """Maps h_NC to h_NC. `share_cells`: one set of parameters for all modules; otherwise `most_cells` of
    them, the last of which serves all further modules. `pass_embedding`: False leaves the modules alone."""

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.passes = config.pass_embedding
        count = 1 if config.share_cells else config.most_cells
        self.modules_gnn = nn.ModuleList(GatedGNN(config) for _ in range(count))

    def forward(self, h_NC: Tensor, batch: GraphBatch) -> Tensor:
        chain = batch.edges
        assert isinstance(chain, Chain)  # GraphBatch.from_graphs of the same configuration
        mean_GC = h_NC.new_zeros(len(batch.graphs), h_NC.shape[1])
        final: list[Tensor] = []
        for number, module in enumerate(chain.modules):
            gnn = self.modules_gnn[min(number, len(self.modules_gnn) - 1)]
            assert isinstance(gnn, GatedGNN)
            h_nC = h_NC[module.start : module.stop]
            if self.passes and number:
                sum_nC = gnn.sums(h_nC, mean_GC[module.graph_n])
                h_nC = torch.where(module.is_entry_n[:, None], sum_nC, h_nC)
            h_nC = gnn.propagate(h_nC, module.messages)
            mean_GC = _means(h_nC, module.graph_n, mean_GC)
            final.append(h_nC)
        return torch.cat(final)


def _means(h_nC: Tensor, graph_n: Tensor, before_GC: Tensor) -> Tensor:
    """Of every graph the mean over its nodes; a graph without any keeps what it has."""
    sum_GC = torch.zeros_like(before_GC).index_add(0, graph_n, h_nC)
    count_G = torch.bincount(graph_n, minlength=len(before_GC))[:, None]
    return torch.where(count_G > 0, sum_GC / count_G.clamp(min=1), before_GC)
