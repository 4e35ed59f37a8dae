"""What a GHN for anytime prediction has besides (GHN-1 paper, section 5.2): features that say on which scale
a node works and whether a classifier answers from it, and states of edges.

Shape legend: N nodes, n nodes of one graph, E edges, P parameters decoded together, C node state width
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from service.graph_io.primitives import PrimitiveGraph

# How often an image may be halved for a row of its own; more is the last row, -1 the first.
MOST_HALVINGS = 7


def marks(graphs: Sequence[PrimitiveGraph]) -> NDArray[np.int64]:
    """mark_N2: of every node the rows of its scale and of its exit."""
    rows = []
    for graph in graphs:
        mark_n2 = np.zeros((len(graph), 2), dtype=np.int64)
        if graph.resolutions:
            mark_n2[:, 0] = np.clip(graph.resolutions, -1, MOST_HALVINGS) + 1
            mark_n2[:, 1] = graph.exits
        rows.append(mark_n2)
    return np.concatenate(rows)


class AnytimeFeatures(nn.Module):
    """x_NC to add to the first states: a row for the scale and one for the exit.

    The paper joins two one-hot vectors to the one of the operator; a linear map of the joined vector is the
    sum of a row of each.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.resolution = nn.Embedding(MOST_HALVINGS + 2, width)
        self.exit = nn.Embedding(2, width)

    def forward(self, mark_N2: Tensor) -> Tensor:
        """mark_N2: int64 rows of `marks`."""
        return self.resolution(mark_N2[:, 0]) + self.exit(mark_N2[:, 1])  # type: ignore[no-any-return]


class EdgeStates(nn.Module):
    """h_EC = Linear(2C -> C)(state of the source, state of the weight's own node), for the decoder of
    weights: weights of edges, joined along the input channels, fit any number of sources.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.join = nn.Linear(2 * width, width)

    def forward(self, source_EC: Tensor, target_EC: Tensor) -> Tensor:
        return self.join(torch.cat([source_EC, target_EC], dim=1))  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Edge:
    """One source of a weight that joins several. weight: place of the weight among all. source, target: rows
    of the nodes. channels: input channels that it gives; shape: of the block that is decoded for them.
    """

    weight: int
    source: int
    target: int
    channels: int
    shape: tuple[int, ...]


def joined_weights(
    edges: Sequence[Edge], decode: Callable[[tuple[int, ...], list[Edge]], Tensor]
) -> Iterator[Tensor]:
    """For each weight, in order, w_OIHW: the blocks of its edges side by side along the input channels.

    edges: of one weight after the other, each weight's in the order of its channels. decode: w_EOIHW, a block
    of this shape for each edge; one of fewer input channels than the edge has is repeated.
    """
    groups: dict[tuple[int, ...], list[Edge]] = {}
    for edge in edges:
        groups.setdefault(edge.shape, []).append(edge)
    blocks: dict[int, Tensor] = {}
    for shape, members in groups.items():
        blocks.update(zip(map(id, members), decode(shape, members).unbind(0), strict=True))
    for _, of_weight in groupby(edges, key=lambda edge: edge.weight):
        yield torch.cat([_repeated(blocks[id(edge)], edge.channels) for edge in of_weight], dim=1)


def _repeated(block_OIHW: Tensor, channels: int) -> Tensor:
    """Its input channels over and over, `channels` of them."""
    return block_OIHW[:, torch.arange(channels, device=block_OIHW.device) % block_OIHW.shape[1]]
