"""Many networks: embeddings of DeepNets architectures."""

from __future__ import annotations

from benchmarks.performance.clock import processor_seconds
from benchmarks.performance.tables import table
from service.ghn.registry import LoadedModel
from training.data.deepnets import architecture_graph

_NETWORKS = 50


def report(model: LoadedModel) -> str:
    graphs = [architecture_graph("train", 0, index) for index in range(_NETWORKS)]
    seconds = processor_seconds(lambda: model.embed(graphs), 3)
    nodes = sum(len(graph.nodes) for graph in graphs)
    row = f"{_NETWORKS} of DeepNets", f"{_NETWORKS / seconds:.0f}", f"{nodes / seconds:,.0f}"
    return table(("embeddings", "networks a second", "operators a second"), [row])
