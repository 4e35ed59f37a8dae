"""Shortest directed paths, for the virtual edges of GHN-2 (paper section 4.2, equation 4).

Shape legend: N nodes
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def shortest_paths(predecessors: Sequence[Sequence[int]], cutoff: int = 50) -> NDArray[np.uint8]:
    """Lengths of the shortest directed paths of a DAG.

    predecessors: for every node, in topological order, the nodes it reads from.
    cutoff: longest path of interest, 1 to 253.

    Returns distance_NN, uint8: [v, u] is the length of the shortest path from u to v, 0 where there is none
    within the cutoff (and on the diagonal).

    One vectorised step a node: what reaches v through u is one step longer than what reaches u.
    """
    if not 1 <= cutoff <= 253:
        raise ValueError(f"cutoff must be 1 to 253, got {cutoff}")
    num_nodes = len(predecessors)
    unreachable = np.uint8(cutoff + 1)
    distance_NN = np.full((num_nodes, num_nodes), unreachable, dtype=np.uint8)
    for node, sources in enumerate(predecessors):
        row_N = distance_NN[node]
        if len(sources) == 1:
            np.minimum(distance_NN[sources[0]] + np.uint8(1), unreachable, out=row_N)
        elif len(sources) > 1:
            np.minimum(distance_NN[list(sources)].min(axis=0) + np.uint8(1), unreachable, out=row_N)
        row_N[node] = 0
    distance_NN[distance_NN == unreachable] = 0
    return distance_NN
