"""What is computed together does not show: the same bytes alone, in company, and in another order."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from service.ghn.registry import LoadedModel, load_model
from service.graph_io.archgraph import ArchGraph
from service.graph_io.read import read_document

OPERATIONS = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def cells(count: int, seed: int) -> list[ArchGraph]:
    random = Random(seed)
    documents = []
    for _ in range(count):
        a, b, c, d, e, f = random.choices(OPERATIONS, k=6)
        text = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
        documents.append({"format": "nasbench201", "cell": text, "cells_per_stage": random.randint(1, 3)})
    return [read_document(document) for document in documents]


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model("ghn2-cifar10")


def test_an_embedding_does_not_depend_on_what_is_embedded_with_it(model: LoadedModel) -> None:
    graphs = cells(16, seed=0)
    together = model.embed(graphs)
    alone = np.concatenate([model.embed([graph]) for graph in graphs])
    shuffled = Random(1).sample(range(len(graphs)), len(graphs))
    in_parts = [model.embed([graphs[i] for i in shuffled[at : at + 5]]) for at in range(0, len(shuffled), 5)]
    assert together.dtype == np.float32 and np.isfinite(together).all()
    assert together.tobytes() == alone.tobytes()
    assert together[shuffled].tobytes() == np.concatenate(in_parts).tobytes()


def test_weights_are_predicted_for_one_network_at_a_time(model: LoadedModel) -> None:
    graph, *_ = cells(1, seed=2)
    first = model.predict(graph).blocks
    model.embed(cells(8, seed=3))
    second = model.predict(graph).blocks
    assert {name: block.values.tobytes() for name, block in first.items()} == {
        name: block.values.tobytes() for name, block in second.items()
    }
