"""The neural predictor against a loop over nodes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.neupred import LAYERS, Graphs, NeuPred, neupred_scores
from service.predictors.regressors.scores import rank_correlation
from tests.ghn.test_gated_gnn import random_graph


def naive(model: NeuPred, graph: object) -> Tensor:
    sources = graph.predecessors  # type: ignore[attr-defined]
    readers = [[v for v in range(len(sources)) if u in sources[v]] for u in range(len(sources))]
    states = [model.kind.weight[kind] for kind in graph.primitive_N]  # type: ignore[attr-defined]
    for layer in range(LAYERS):
        forth, back = (
            [sum([states[u] for u in near[v]], states[v]) / (1 + len(near[v])) for v in range(len(states))]
            for near in (sources, readers)
        )
        states = [
            torch.relu(model.along[layer](a)) / 2 + torch.relu(model.against[layer](b)) / 2
            for a, b in zip(forth, back, strict=True)
        ]
    return model.head(torch.stack(states).mean(0))[0]  # type: ignore[no-any-return]


def test_equals_the_loop_over_nodes() -> None:
    torch.manual_seed(0)
    model, graphs = NeuPred(), [random_graph(seed, 5 + seed) for seed in range(3)]
    scores = model(Graphs.join(graphs))
    torch.testing.assert_close(scores, torch.stack([naive(model, graph) for graph in graphs]))


def test_it_learns_what_hangs_on_the_nodes() -> None:
    graphs = [random_graph(seed, 6 + seed % 5) for seed in range(40)]
    values = np.array([float(np.mean(graph.primitive_N)) for graph in graphs])
    learned = np.arange(0, 40, 2)
    scores = neupred_scores(graphs, values, learned, seed=0)
    test = np.arange(1, 40, 2)
    assert rank_correlation(scores[test], values[test]) > 0.4
