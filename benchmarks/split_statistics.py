"""What the architectures of a split are like, in the terms of table 1 and figure 6 of the GHN-2 paper.

Counts are of the graph that a GHN sees: nodes are primitives, edges direct ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from service.graph_io.archgraph import ArchGraph
from service.graph_io.operators import Primitive
from service.graph_io.primitives import PrimitiveGraph, to_primitives
from service.graph_io.virtual_edges import shortest_paths

_LONGEST_PATH = 253


@dataclass(frozen=True, slots=True)
class GraphStatistics:
    """Of one architecture.

    degree: mean number of edges at a node, in and out; path: mean length of the shortest directed paths.
    depth: edges of the longest of the shortest paths from the input. cells, channels: None where the format
    has none.
    """

    nodes: int
    cells: int | None
    channels: int | None
    parameters: int
    degree: float
    path: float
    depth: int
    batch_norm: bool
    primitives: dict[str, int]


def graph_statistics(graph: ArchGraph, document: dict[str, Any]) -> GraphStatistics:
    primitives = to_primitives(graph)
    distance_NN = shortest_paths(primitives.predecessors, _LONGEST_PATH)
    lengths = distance_NN[distance_NN > 0]
    counts = Counter(Primitive(int(kind)).name.lower() for kind in primitives.primitive_N)
    return GraphStatistics(
        nodes=len(primitives),
        cells=document.get("cells"),
        channels=document.get("channels"),
        parameters=graph.num_parameters,
        degree=2 * _edges(primitives) / len(primitives),
        path=float(lengths.mean()),
        depth=int(distance_NN[:, 0].max()),
        batch_norm=counts["bn"] > 0,
        primitives=dict(counts),
    )


def _edges(primitives: PrimitiveGraph) -> int:
    return sum(len(sources) for sources in primitives.predecessors)


@dataclass(frozen=True, slots=True)
class Summary:
    """Mean, standard deviation and range of one quantity over a split."""

    mean: float
    deviation: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        array = np.asarray(values, dtype=np.float64)
        deviation = sqrt(array.var(ddof=1)) if len(array) > 1 else 0.0
        return cls(float(array.mean()), deviation, float(array.min()), float(array.max()))


@dataclass(frozen=True, slots=True)
class SplitStatistics:
    """quantities: by name, those that the architectures have. without_batch_norm: percent of networks.

    primitives: percent of all nodes of the split.
    """

    count: int
    quantities: dict[str, Summary]
    without_batch_norm: float
    primitives: dict[str, float]


def summarise(statistics: Sequence[GraphStatistics]) -> SplitStatistics:
    """Raises ValueError without architectures."""
    if not statistics:
        raise ValueError("no architectures")
    quantities = {}
    for name in ("nodes", "cells", "channels", "parameters", "degree", "path", "depth"):
        values = [getattr(entry, name) for entry in statistics]
        if None not in values:
            quantities[name] = Summary.of(values)
    total = Counter[str]()
    for entry in statistics:
        total.update(entry.primitives)
    nodes = total.total()
    return SplitStatistics(
        count=len(statistics),
        quantities=quantities,
        without_batch_norm=100 * sum(not entry.batch_norm for entry in statistics) / len(statistics),
        primitives={
            kind.name.lower(): 100 * total[kind.name.lower()] / nodes
            for kind in sorted(Primitive, key=lambda kind: -total[kind.name.lower()])
        },
    )
