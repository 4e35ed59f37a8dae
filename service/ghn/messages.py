"""Who tells whom, for GNNs that pass messages.

Shape legend: N nodes of all graphs of a batch, L nodes of one level, W rows of a level's window, K = 1 or 2
kinds of messages
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.graph_io.primitives import PrimitiveGraph
from service.graph_io.virtual_edges import shortest_paths

Whole = NDArray[np.int64]

# Up to so many rows whole matrices are the faster ones: 2 x K of them hold 16 MB then.
_MOST_DENSE_ROWS = 1024


class Level(NamedTuple):
    """Rows [start, stop). What they hear from lies in the rows [first, start), what hears them in
    [stop, last). before, behind: where their blocks lie in `Messages.before` and `behind`, if packed.
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

    before: of every level a block (K, L, W): [0, v, u] = 1 where an edge u -> v exists, [1, v, u] = 1 /
    length of the shortest path from u to v, where there are virtual edges. u: the rows [first, start).
    behind: the same with u the rows [stop, last), and paths from v to u.

    Of few rows both are matrices (K, N, N). Of many rows they are packed, one block behind the other, in
    memory that grows with the paths and not with the square of the nodes.

    table: a row a level, with the columns of `Level`.
    """

    table: Whole
    kinds: int
    before: Tensor
    behind: Tensor

    @property
    def levels(self) -> tuple[Level, ...]:
        return tuple(map(Level, *self.table.T.tolist()))

    @property
    def places_before(self) -> Whole:
        """Of every level (its rows [start, stop), the rows [low, high) that it hears from, place, per kind,
        per row): the number for kind k, row v and origin u stands in the flat `before` at place + k * per
        kind + (v - start) * per row + u - low.
        """
        start, stop, first, _, place, _ = self.table.T
        return self._places(self.before, start, stop, first, start, place)

    @property
    def places_behind(self) -> Whole:
        """The same from the last level to the first, of `behind`."""
        start, stop, _, last, _, place = self.table[::-1].T
        return self._places(self.behind, start, stop, stop, last, place)

    @staticmethod
    def _places(values: Tensor, start: Whole, stop: Whole, low: Whole, high: Whole, place: Whole) -> Whole:
        if values.ndim == 3:
            per_row = np.full_like(start, values.shape[1])
            place, per_kind = start * per_row + low, per_row * per_row
        else:
            per_row = high - low
            per_kind = (stop - start) * per_row
        return np.ascontiguousarray(np.stack((start, stop, low, high, place, per_kind, per_row), axis=1))

    def to(self, to: torch.device | str | torch.dtype) -> Messages:
        return replace(self, before=self.before.to(to), behind=self.behind.to(to))

    def blocks_before(self, before: Any) -> Iterator[tuple[Level, Sequence[Any]]]:
        """Every level with the K parts of its block of `before`, which comes as a tensor or as an array. Each
        is a matrix (L, W), or a vector where the level is one node.
        """
        parts = _in_matrices(before) if before.ndim == 3 else self._packed(before)
        for level in self.levels:
            start, stop, first, _, place, _ = level
            yield level, parts(place, start, stop, first, start)

    def blocks_behind(self, behind: Any) -> Iterator[tuple[Level, Sequence[Any]]]:
        """The same from the last level to the first, of `behind`."""
        parts = _in_matrices(behind) if behind.ndim == 3 else self._packed(behind)
        for level in reversed(self.levels):
            start, stop, _, last, _, place = level
            yield level, parts(place, start, stop, stop, last)

    def _packed(self, values: Any) -> Callable[..., Sequence[Any]]:
        def parts(place: int, start: int, stop: int, first: int, last: int) -> Sequence[Any]:
            height = [stop - start] if stop - start > 1 else []
            shape = self.kinds, *height, last - first
            return values[place : place + prod(shape)].reshape(shape)  # type: ignore[no-any-return]

        return parts

    def matrix(self, kind: int) -> Tensor:
        """[v, u] of all rows, for whoever needs them at once. Memory grows with the square of the nodes."""
        count = int(self.table[-1, 1])
        matrix = self.before.new_zeros(count, count)
        for level, block in self.blocks_before(self.before):
            matrix[level.start : level.stop, level.first : level.start] = block[kind]
        return matrix


def _in_matrices(values: Any) -> Callable[..., Sequence[Any]]:
    matrices = list(values)

    def parts(_: int, start: int, stop: int, first: int, last: int) -> Sequence[Any]:
        rows = start if stop - start == 1 else slice(start, stop)
        return [matrix[rows, first:last] for matrix in matrices]

    return parts


def messages_of(
    graphs: Sequence[PrimitiveGraph],
    sorted_depth_N: Whole,
    row_of: Whole,
    cutoff: int | None,
) -> Messages:
    """sorted_depth_N: the level of every row. row_of: the rows of all graphs' nodes. cutoff: the longest path
    of a virtual edge; None without them.
    """
    bounds = np.flatnonzero(np.diff(sorted_depth_N, prepend=-1))
    starts, stops = bounds, np.append(bounds[1:], len(row_of))
    make = dense if len(row_of) <= _MOST_DENSE_ROWS else packed
    return make(graphs, starts, stops, row_of, cutoff)


def dense(
    graphs: Sequence[PrimitiveGraph],
    starts: Whole,
    stops: Whole,
    row_of: Whole,
    cutoff: int | None,
) -> Messages:
    """Messages as matrices; the same blocks as `packed`. starts, stops: the rows of every level."""
    distance_NN = shortest_paths(_sources_by_row(graphs, row_of), cutoff or 1)
    is_near = distance_NN > 0
    # The diagonal stands for rows that hear from none, or that none hears.
    np.fill_diagonal(is_near, True)
    firsts = np.minimum(np.minimum.reduceat(is_near.argmax(axis=1), starts), starts)
    heard_by = np.ascontiguousarray(is_near.T)[:, ::-1]
    lasts = np.maximum.reduceat(len(row_of) - heard_by.argmax(axis=1), starts)
    lengths = np.arange((cutoff or 1) + 1)
    weights = [lengths == 1]
    if cutoff is not None:
        weights.append(np.reciprocal(np.maximum(lengths, 1), dtype=np.float32) * (lengths > 0))
    before = np.array(weights, np.float32).take(distance_NN, axis=1)
    nowhere = np.zeros(len(starts), np.int64)
    return Messages(
        table=np.stack((starts, stops, firsts, lasts, nowhere, nowhere), axis=1),
        kinds=len(weights),
        before=torch.from_numpy(before),
        behind=torch.from_numpy(np.ascontiguousarray(before.transpose(0, 2, 1))),
    )


def packed(
    graphs: Sequence[PrimitiveGraph],
    starts: Whole,
    stops: Whole,
    row_of: Whole,
    cutoff: int | None,
) -> Messages:
    """Messages as one block behind the other. starts, stops: the rows of every level."""
    target, origin, length = _paths(graphs, row_of, cutoff)
    level_of = np.repeat(np.arange(len(starts)), stops - starts)
    hears, heard = level_of[target], level_of[origin]
    firsts, lasts = starts.copy(), stops.copy()
    np.minimum.at(firsts, hears, origin)
    np.maximum.at(lasts, heard, target + 1)

    kinds = 1 if cutoff is None else 2
    value = np.reciprocal(length, dtype=np.float32) if kinds == 2 else None
    direct = np.flatnonzero(length == 1)
    heights, above, below = stops - starts, starts - firsts, lasts - stops
    before, before_X = _blocks(kinds, heights, above)
    behind, behind_X = _blocks(kinds, heights, below)
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
    return Messages(
        table=np.stack((starts, stops, firsts, lasts, before, behind), axis=1),
        kinds=kinds,
        before=torch.from_numpy(before_X),
        behind=torch.from_numpy(behind_X),
    )


def _sources_by_row(graphs: Sequence[PrimitiveGraph], row_of: Whole) -> list[list[int]]:
    """Of every row the rows that it reads from."""
    sources_N: list[list[int]] = [[]] * len(row_of)
    rows = row_of.tolist()
    node = 0
    for graph in graphs:
        row = rows[node : node + len(graph)]
        node += len(graph)
        for target, sources in zip(row, graph.predecessors, strict=True):
            sources_N[target] = [row[source] for source in sources]
    return sources_N


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


def _blocks(kinds: int, heights: Whole, widths: Whole) -> tuple[Whole, NDArray[np.float32]]:
    """Where every level's block starts, and zeros for all of them."""
    sizes = kinds * heights * widths
    ends = np.cumsum(sizes)
    return ends - sizes, np.zeros(int(ends[-1]), np.float32)
