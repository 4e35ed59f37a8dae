"""What a chain of reshapes, permutations and slices does to the numbers of one tensor."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

from service.graph_io.lifting.linked import Layout, LinkedNode


class Inexpressible(Exception):
    """A view that splits an axis unevenly, or takes a part of the batch."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A factor of an axis of the tensor at the root. key: tells it from the other pieces.

    size: of the factor; start, stop: the part of it that is seen. The batch is a piece of size 1.
    """

    axis: int
    key: tuple[int, ...]
    size: int
    start: int
    stop: int
    is_batch: bool = False

    @property
    def count(self) -> int:
        return self.stop - self.start

    @property
    def whole(self) -> bool:
        return self.count == self.size

    @property
    def seen(self) -> bool:
        """Whether it is a part of an axis of the view: one entry is not."""
        return self.count > 1 or self.is_batch

    def split(self, outer: int) -> tuple[Piece, Piece]:
        """Two pieces, of which the first shows `outer` entries. Raises Inexpressible if there are none."""
        inner, rest = divmod(self.count, outer)
        if rest or self.size % inner or self.start % inner:
            raise Inexpressible
        start, stop = self.start // inner, self.stop // inner
        return (
            Piece(self.axis, (*self.key, 0), self.size // inner, start, stop),
            Piece(self.axis, (*self.key, 1), inner, 0, inner),
        )


Axis = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """A view of the tensor that `root` makes.

    pieces: of each axis of the root, outermost first. axes: those of the view, each the pieces that it is
    made of; an axis of one entry is made of none.
    """

    root: LinkedNode
    pieces: tuple[Axis, ...]
    axes: tuple[Axis, ...]

    @classmethod
    def whole(cls, root: LinkedNode, layout: Layout) -> Chain:
        axes: list[Axis] = []
        for axis, size in enumerate(layout.sizes):
            outer = layout.outer if axis == layout.batch_axis else 1
            pieces = [Piece(axis, (axis, 0), outer, 0, outer)] if outer > 1 else []
            if axis == layout.batch_axis:
                pieces.append(Piece(axis, (axis, 1), 1, 0, 1, True))
            if (inner := size // outer) > 1:
                pieces.append(Piece(axis, (axis, 2), inner, 0, inner))
            axes.append(tuple(pieces))
        return cls(root, tuple(axes), tuple(axes))

    def permuted(self, order: Sequence[int]) -> Chain:
        """Raises Inexpressible if `order` is no order of the axes."""
        if sorted(order) != list(range(len(self.axes))):
            raise Inexpressible
        return Chain(self.root, self.pieces, tuple(self.axes[axis] for axis in order))

    def reshaped(self, layout: Layout) -> Chain:
        """Raises Inexpressible if the new axes split a piece unevenly."""
        chain, axes = self, list[Axis]()
        waiting = deque(piece for axis in self.axes for piece in axis)
        for place, size in enumerate(layout.sizes):
            taken: list[Piece] = []
            while waiting:
                piece = waiting[0]
                if (size == 1 and not piece.is_batch) or (piece.is_batch and place != layout.batch_axis):
                    break
                waiting.popleft()
                if piece.count > size:
                    outer, inner = piece.split(size)
                    chain = chain._with(piece, outer, inner)
                    waiting.appendleft(inner)
                    piece = outer
                if size % piece.count:
                    raise Inexpressible
                size //= piece.count
                taken.append(piece)
            if size > 1:
                raise Inexpressible
            axes.append(tuple(taken))
        if waiting:
            raise Inexpressible
        return Chain(self.root, chain.pieces, tuple(axes))

    def cut(self, parts: Iterable[tuple[int, int, int]], dropped: Sequence[int]) -> Chain:
        """parts: (axis, start, stop). dropped: axes of one entry that the result does not have.

        Raises Inexpressible for a part of the batch, and for one that ends within a piece.
        """
        chain = self
        for axis, start, stop in parts:
            chain = chain._cut(axis, start, stop)
        axes = [tuple(piece for piece in axis if piece.seen) for axis in chain.axes]
        if any(axes[axis] for axis in dropped):
            raise Inexpressible
        kept = tuple(axis for place, axis in enumerate(axes) if place not in dropped)
        return Chain(self.root, chain.pieces, kept)

    def _cut(self, axis: int, start: int, stop: int) -> Chain:
        pieces = self.axes[axis]
        chain, inner = self, prod(piece.count for piece in pieces)
        if (start, stop) == (0, inner):
            return self
        for piece in pieces:
            if piece.is_batch:
                raise Inexpressible
            inner //= piece.count
            first, last = start // inner, -(-stop // inner)
            chain = chain._with(piece, replace(piece, start=piece.start + first, stop=piece.start + last))
            start, stop = start - first * inner, stop - first * inner
            if last - first > 1:
                if start or stop != (last - first) * inner:
                    raise Inexpressible
                break
        return chain

    def _with(self, piece: Piece, *parts: Piece) -> Chain:
        """With a piece replaced by its part, or by the pieces that it was split into."""

        def changed(axis: Axis) -> Axis:
            return tuple(new for old in axis for new in (parts if old.key == piece.key else (old,)))

        return Chain(self.root, tuple(map(changed, self.pieces)), tuple(map(changed, self.axes)))
