"""Shortest directed paths, for the virtual edges of GHN-2 (paper section 4.2, equation 4).

Shape legend: N nodes, P paths
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

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
    _check(cutoff)
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

    A few times as fast as `near_paths` in a small graph: nodes that follow each other in a chain are one
    step. Time and memory grow with the square of the nodes.
    """
    _check(cutoff)
    size = len(predecessors)
    # No sum of lengths overflows: none is longer than `unreachable` and a step for every node.
    unreachable = size + cutoff
    distance_NN = np.full((size, size), unreachable, np.int16 if size < 2**13 else np.int32)
    steps_N = np.arange(size, dtype=distance_NN.dtype)
    in_chain_NN = steps_N[:, None] - steps_N
    in_chain_NN[in_chain_NN < 0] = unreachable
    for start, stop in pairwise(_chains(predecessors)):
        sources, row = predecessors[start], distance_NN[start, :start]
        if len(sources) == 1:
            np.add(distance_NN[sources[0], :start], 1, out=row)
        elif sources:
            np.add(distance_NN[list(sources), :start].min(axis=0), 1, out=row)
        length = stop - start
        np.add(row, steps_N[1:length, None], out=distance_NN[start + 1 : stop, :start])
        distance_NN[start:stop, start:stop] = in_chain_NN[:length, :length]
    distance_NN[distance_NN > cutoff] = 0
    return distance_NN.astype(np.uint8)


def _chains(predecessors: Sequence[Sequence[int]]) -> list[int]:
    """Where chains begin: nodes that read anything but the node before them alone; and the end."""
    heads = [node for node, sources in enumerate(predecessors) if len(sources) != 1 or sources[0] != node - 1]
    return [*heads, len(predecessors)]


def _check(cutoff: int) -> None:
    if not 1 <= cutoff <= 253:
        raise ValueError(f"cutoff must be 1 to 253, got {cutoff}")
