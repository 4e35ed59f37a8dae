"""A neural predictor of a property from a graph alone (NeuPred: Wen et al. 2020), the baseline of figure 4 of
the GHN-2 paper, small.

Shape legend: N nodes of all graphs, E edges, G graphs, C width
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.rank_cells import Floats, Rows
from service.graph_io.operators import Primitive
from service.graph_io.primitives import PrimitiveGraph
from service.predictors.regressors.scores import normal_scores

WIDTH, LAYERS, EPOCHS, BATCH = 48, 3, 60, 10


@dataclass(frozen=True, slots=True)
class Graphs:
    """kind_N: the primitive of every node. source_E, target_E: edges. graph_N: whose a node is."""

    kind_N: Tensor
    source_E: Tensor
    target_E: Tensor
    graph_N: Tensor
    count: int

    @classmethod
    def join(cls, graphs: Sequence[PrimitiveGraph]) -> Graphs:
        starts = np.cumsum([0, *(len(graph) for graph in graphs)])
        edges = [
            (start + source, start + target)
            for start, graph in zip(starts, graphs, strict=False)
            for target, sources in enumerate(graph.predecessors)
            for source in sources
        ]
        source_E, target_E = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T
        return cls(
            torch.from_numpy(np.concatenate([graph.primitive_N for graph in graphs])),
            source_E,
            target_E,
            torch.from_numpy(np.repeat(np.arange(len(graphs)), np.diff(starts))),
            len(graphs),
        )


class NeuPred(nn.Module):
    """Directed graph convolutions, V' = relu(A V W) / 2 + relu(A^T V W') / 2 with rows of A + I that sum to
    one, the mean over a graph's nodes, a perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = nn.Embedding(len(Primitive), WIDTH)
        self.along = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS))
        self.against = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS))
        self.head = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))

    def forward(self, graphs: Graphs) -> Tensor:
        """score_G."""
        v_NC = self.kind(graphs.kind_N)
        for along, against in zip(self.along, self.against, strict=True):
            forth_NC = along(_means(v_NC, graphs.source_E, graphs.target_E))
            back_NC = against(_means(v_NC, graphs.target_E, graphs.source_E))
            v_NC = 0.5 * torch.relu(forth_NC) + 0.5 * torch.relu(back_NC)
        sum_GC = v_NC.new_zeros(graphs.count, WIDTH).index_add(0, graphs.graph_N, v_NC)
        mean_GC = sum_GC / torch.bincount(graphs.graph_N, minlength=graphs.count)[:, None]
        return self.head(mean_GC)[:, 0]  # type: ignore[no-any-return]


def _means(v_NC: Tensor, source_E: Tensor, target_E: Tensor) -> Tensor:
    """Of every node the mean over itself and the sources of its edges."""
    sum_NC = v_NC.index_add(0, target_E, v_NC[source_E])
    count_N = 1 + torch.bincount(target_E, minlength=len(v_NC))
    return sum_NC / count_N[:, None]


def neupred_scores(graphs: Sequence[PrimitiveGraph], values: Floats, learned: Rows, seed: int) -> Floats:
    """A score of every graph by a predictor that learned from some of them: Adam, the square error of normal
    scores, batches of ten graphs."""
    torch.manual_seed(seed)
    model, random = NeuPred(), np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    target = dict(zip(learned.tolist(), normal_scores(values[learned]), strict=True))
    for _ in range(EPOCHS):
        order = random.permutation(learned)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH].tolist()
            targets = torch.tensor([target[place] for place in chosen], dtype=torch.float32)
            loss = nn.functional.mse_loss(model(Graphs.join([graphs[place] for place in chosen])), targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        schedule.step()
    with torch.no_grad():
        parts = [model(Graphs.join(graphs[start : start + 20])) for start in range(0, len(graphs), 20)]
    return torch.cat(parts).double().numpy()
