"""Who tells whom, for GNNs that pass messages, in memory that grows with the paths and not with the square of
the nodes.

Shape legend: N nodes of all graphs of a batch, L nodes of one level, W rows of a level's window, K = 1 or 2
kinds of messages
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.graph_io.primitives import PrimitiveGraph

Whole = NDArray[np.int64]


class Level(NamedTuple):
    """Rows [start, stop). What they hear from lies in the rows [first, start), what hears them in
    [stop, last). before, behind: where their blocks lie in `Messages.before_X` and `behind_X`.
    """

    start: int
    stop: int
    first: int
    last: int
    before: int
    behind: int


@dataclass(frozen=True, slots=True)
class Messages:
    """Rows are sorted by level, the longest path from a source: nodes of one level never depend on each
    other, so a pass over the graph updates them together, for all graphs of the batch at once.

    before_X: of every level a block (K, L, W): [0, v, u] = 1 where an edge u -> v exists, [1, v, u] = 1 /
    length of the shortest path from u to v, where there are virtual edges. u: the rows [first, start).
    behind_X: the same with u the rows [stop, last), and paths from v to u.
    """

    levels: tuple[Level, ...]
    kinds: int
    before_X: Tensor
    behind_X: Tensor

    def to(self, to: torch.device | str | torch.dtype) -> Messages:
        return replace(self, before_X=self.before_X.to(to), behind_X=self.behind_X.to(to))

    def matrix(self, kind: int) -> Tensor:
        """[v, u] of all rows, for whoever needs them at once. Memory grows with the square of the nodes."""
        count = self.levels[-1].stop
        matrix = self.before_X.new_zeros(count, count)
        for start, stop, first, _, before, _ in self.levels:
            shape = self.kinds, stop - start, start - first
            block = self.before_X[before : before + shape[0] * shape[1] * shape[2]].view(shape)
            matrix[start:stop, first:start] = block[kind]
        return matrix


def messages_of(
    graphs: Sequence[PrimitiveGraph],
    sorted_depth_N: Whole,
    row_of: Whole,
    cutoff: int | None,
    dtype: type[np.floating] = np.float32,
) -> Messages:
    """sorted_depth_N: the level of every row. row_of: the rows of all graphs' nodes. cutoff: the longest path
    of a virtual edge; None without them.
    """
    bounds = np.flatnonzero(np.diff(sorted_depth_N, prepend=-1))
    starts, stops = bounds, np.append(bounds[1:], len(row_of))
    target, origin, length = _paths(graphs, row_of, cutoff)
    level_of = np.repeat(np.arange(len(bounds)), stops - starts)
    hears, heard = level_of[target], level_of[origin]
    firsts, lasts = starts.copy(), stops.copy()
    np.minimum.at(firsts, hears, origin)
    np.maximum.at(lasts, heard, target + 1)

    kinds = 1 if cutoff is None else 2
    value = np.reciprocal(length, dtype=dtype) if kinds == 2 else None
    direct = np.flatnonzero(length == 1)
    heights, above, below = stops - starts, starts - firsts, lasts - stops
    before, before_X = _blocks(kinds, heights, above, dtype)
    behind, behind_X = _blocks(kinds, heights, below, dtype)
    for block_X, offsets, widths, column, row, other in (
        (before_X, before, above, firsts, target, origin),
        (behind_X, behind, below, stops, origin, target),
    ):
        # Where a row of a block starts, less the number of its first column.
        base_N = (offsets - starts * widths - column)[level_of] + np.arange(len(row_of)) * widths[level_of]
        place = base_N[row] + other
        block_X[place[direct]] = 1
        if value is not None:
            block_X[place + (heights * widths)[level_of][row]] = value
    columns = (starts, stops, firsts, lasts, before, behind)
    return Messages(
        levels=tuple(map(Level, *(column.tolist() for column in columns))),
        kinds=kinds,
        before_X=torch.from_numpy(before_X),
        behind_X=torch.from_numpy(behind_X),
    )


def _paths(graphs: Sequence[PrimitiveGraph], row_of: Whole, cutoff: int | None) -> tuple[Whole, Whole, Whole]:
    """(row it leads to, row it comes from, length) of every path of interest, of all graphs."""
    targets, origins, lengths = [], [], []
    node = 0
    for graph in graphs:
        row = row_of[node : node + len(graph)]
        node += len(graph)
        target, origin, length = graph.paths(cutoff or 1)
        targets.append(row[target])
        origins.append(row[origin])
        lengths.append(length)
    return np.concatenate(targets), np.concatenate(origins), np.concatenate(lengths)


def _blocks(
    kinds: int, heights: Whole, widths: Whole, dtype: type[np.floating]
) -> tuple[Whole, NDArray[np.floating]]:
    """Where every level's block starts, and zeros for all of them."""
    sizes = kinds * heights * widths
    ends = np.cumsum(sizes)
    return ends - sizes, np.zeros(int(ends[-1]), dtype)
