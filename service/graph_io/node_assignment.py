"""How far two networks are apart by their nodes alone: the cost of the best assignment between them (GHN-2
paper, appendix C.2.4, where the Hungarian algorithm finds it).

A pair of nodes costs nothing where both are of one primitive and 1 otherwise, and so does a node without a
partner. With these costs the best assignment pairs as many equal primitives as there are, so counting them is
enough. Edges and shapes do not matter, which is what the paper says is wrong with this distance.
"""

from __future__ import annotations

import numpy as np

from service.graph_io.operators import Primitive
from service.graph_io.primitives import PrimitiveGraph


def assignment_cost(one: PrimitiveGraph, other: PrimitiveGraph) -> int:
    """0 for equal numbers of every primitive; at most the nodes of the larger network."""
    counts = [np.bincount(graph.primitive_N, minlength=len(Primitive)) for graph in (one, other)]
    equal = int(np.minimum(*counts).sum())
    return max(len(one), len(other)) - equal
