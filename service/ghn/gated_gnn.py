"""The gated graph neural network of GHN-1 and GHN-2 (GHN-2 paper, equations 3 and 4). One pass over the nodes
is a `DirectedPass`.

Shape legend: N nodes, C node state width, M width inside the message MLPs, K = 1 or 2 kinds of messages
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from service.ghn.batch import GraphBatch
from service.ghn.config import GHNConfig
from service.ghn.directed_pass import DirectedPass
from service.ghn.messages import Messages


class MessageMLP(nn.Module):
    """Linear, ReLU, Linear, ReLU. Its weights are read; it is never called itself."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, inner)
        self.second = nn.Linear(inner, width)


class GatedGNN(nn.Module):
    """`rounds` times a forward and a backward pass (or a synchronous step). Maps h_NC to h_NC."""

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.rounds, self.synchronous = config.rounds, config.propagation == "synchronous"
        self.directions = (False,) if config.propagation == "forward" else (False, True)
        # Two MLPs of half the width keep GHN-2 at the size of GHN-1 (paper section 4.2).
        inner = config.hidden // 2 if config.virtual_edges else config.hidden
        self.message = MessageMLP(config.hidden, inner)
        self.message_virtual = MessageMLP(config.hidden, inner) if config.virtual_edges else None
        self.gru = nn.GRUCell(config.hidden, config.hidden)

    def forward(self, h_NC: Tensor, batch: GraphBatch) -> Tensor:
        assert isinstance(batch.edges, Messages)  # GraphBatch.from_graphs of the same configuration
        return self.propagate(h_NC, batch.edges)

    def propagate(self, h_NC: Tensor, edges: Messages) -> Tensor:
        w1, b1, w2, b2 = self._joined_mlps()
        gru, edges = self.gru, edges.to(h_NC.dtype)
        for _ in range(self.rounds):
            if self.synchronous:
                h_NC = self._synchronous_step(h_NC, edges, w1, b1, w2, b2)
                continue
            for reverse in self.directions:
                gh_N3 = torch.nn.functional.linear(h_NC, gru.weight_hh, gru.bias_hh)
                h_NC = DirectedPass.apply(
                    h_NC, gh_N3, gru.weight_ih, gru.bias_ih, w1, b1, w2, b2, edges, reverse
                )
        return h_NC

    def sums(self, h_NC: Tensor, sender_NC: Tensor) -> Tensor:
        """Node states after one message, from a sender each."""
        relu, mlp = torch.relu, self.message
        return self.gru(relu(mlp.second(relu(mlp.first(sender_NC)))), h_NC)  # type: ignore[no-any-return]

    def _joined_mlps(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Both message MLPs as one: a node's two messages come from one pair of products."""
        mlps = [self.message] if self.message_virtual is None else [self.message, self.message_virtual]
        return (
            torch.cat([mlp.first.weight for mlp in mlps]),
            torch.cat([mlp.first.bias for mlp in mlps]),
            torch.block_diag(*(mlp.second.weight for mlp in mlps)),  # type: ignore[no-untyped-call]
            torch.cat([mlp.second.bias for mlp in mlps]),
        )

    def _synchronous_step(
        self, h_NC: Tensor, edges: Messages, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor
    ) -> Tensor:
        """All nodes at once, from the neighbours of both directions (GHN-1 paper, section 3)."""
        linear, relu = torch.nn.functional.linear, torch.relu
        x_NK = relu(linear(relu(linear(h_NC, w1, b1)), w2, b2))
        width = h_NC.shape[1]
        m_NC = torch.zeros_like(h_NC)
        for kind in range(edges.kinds):
            matrix = edges.matrix(kind)
            m_NC = m_NC + (matrix + matrix.T) @ x_NK[:, kind * width : (kind + 1) * width]
        return self.gru(m_NC, h_NC)  # type: ignore[no-any-return]


class NodeMLP(nn.Module):
    """The baseline without a graph: every node alone (GHN-2 paper, section 5)."""

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.first = nn.Linear(config.hidden, config.hidden)
        self.second = nn.Linear(config.hidden, config.hidden)

    def forward(self, h_NC: Tensor, batch: GraphBatch) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(h_NC))))
