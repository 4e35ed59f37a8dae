"""Many networks: embeddings of DeepNets architectures, one by one and together."""

from __future__ import annotations

from benchmarks.performance.clock import processor_seconds
from benchmarks.performance.tables import table
from service.ghn.registry import LoadedModel
from training.data.deepnets import architecture_graph

_NETWORKS = 50


def report(model: LoadedModel) -> str:
    graphs = [architecture_graph("train", 0, index) for index in range(_NETWORKS)]
    one = processor_seconds(lambda: [model.embed([graph]) for graph in graphs], 3)
    together = processor_seconds(lambda: model.embed(graphs), 3)
    nodes = sum(len(graph.nodes) for graph in graphs)
    rows = [
        ("one by one", f"{_NETWORKS / one:.0f}", f"{nodes / one:,.0f}"),
        ("together", f"{_NETWORKS / together:.0f}", f"{nodes / together:,.0f}"),
    ]
    head = f"embeddings of {_NETWORKS} DeepNets networks"
    return table((head, "networks a second", "operators a second"), rows)
