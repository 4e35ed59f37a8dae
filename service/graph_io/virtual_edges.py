"""Shortest directed paths, for the virtual edges of GHN-2 (paper section 4.2, equation 4).

Shape legend: N nodes, P paths
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Rows are cut to what is within the cutoff every so many nodes: cutting costs more than it saves in a small
# graph.
_CUT_EVERY = 32

Whole = NDArray[np.int64]


def near_paths(predecessors: Sequence[Sequence[int]], cutoff: int = 50) -> tuple[Whole, Whole, Whole]:
    """The shortest directed paths of a DAG that are not longer than the cutoff.

    predecessors: for every node, in topological order, the nodes it reads from.
    cutoff: longest path of interest, 1 to 253.

    Returns target_P, origin_P, length_P: the nodes that each path leads to and comes from, and how many edges
    it has, from 1. Sorted by target, then by origin.

    One vectorised step a node: what reaches v through u is one step longer than what reaches u. A node's row
    begins with the first node that can reach it, so time and memory grow with how far back nodes hear from,
    not with the square of the nodes.
    """
    if not 1 <= cutoff <= 253:
        raise ValueError(f"cutoff must be 1 to 253, got {cutoff}")
    unreachable = np.uint8(cutoff + 1)
    onward: list[NDArray[np.uint8]] = []  # rows one step further than their node
    firsts: list[int] = []
    for node, sources in enumerate(predecessors):
        first = min([firsts[source] for source in sources], default=node)
        row = np.empty(node + 1 - first, dtype=np.uint8)
        row.fill(unreachable)
        for source in sources:
            known = row[firsts[source] - first : source + 1 - first]
            np.minimum(known, onward[source], out=known)
        row += np.uint8(1)
        row[-1] = 1
        if node % _CUT_EVERY == 0:
            far = int((row <= unreachable).argmax())
            row, first = row[far:].copy(), first + far
        onward.append(row)
        firsts.append(first)
    lengths = np.concatenate(onward) - np.uint8(1) if onward else np.empty(0, np.uint8)
    sizes = np.array([len(row) for row in onward], dtype=np.int64)
    places = np.flatnonzero((lengths > 0) & (lengths <= cutoff))
    target = np.repeat(np.arange(len(onward)), sizes)[places]
    shift = np.array(firsts, dtype=np.int64) - (np.cumsum(sizes) - sizes)
    return target, places + shift[target], lengths[places].astype(np.int64)


def shortest_paths(predecessors: Sequence[Sequence[int]], cutoff: int = 50) -> NDArray[np.uint8]:
    """The lengths of `near_paths` as distance_NN, uint8: [v, u] is the length of the shortest path from u to
    v, 0 where there is none within the cutoff (and on the diagonal).
    """
    target, origin, length = near_paths(predecessors, cutoff)
    distance_NN = np.zeros((len(predecessors), len(predecessors)), dtype=np.uint8)
    distance_NN[target, origin] = length
    return distance_NN
