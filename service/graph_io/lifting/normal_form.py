"""A view as few nodes: a slice, a reshape, a permutation, a reshape, each only where it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from service.graph_io.archgraph import AttrValue
from service.graph_io.lifting.linked import Layout
from service.graph_io.lifting.pieces import Axis, Chain, Piece


@dataclass(frozen=True, slots=True)
class View:
    """One node. layout: of its result."""

    op: str
    attrs: dict[str, AttrValue]
    layout: Layout


def normal_form(chain: Chain) -> list[View]:
    """The same nodes for all chains that show the same of a tensor; none where they show it as it is."""
    writer = _Writer(list(chain.pieces))
    writer.take_parts()
    writer.reorder(chain.axes)
    writer.reshape(chain.axes)
    return writer.views


@dataclass(slots=True)
class _Writer:
    """axes: of the result so far, each the pieces of the root that it is made of."""

    axes: list[Axis]
    views: list[View] = field(default_factory=list)

    def take_parts(self) -> None:
        """A part is taken of an axis as it is; if it lies within, the axis is split in front of it."""
        split = [group for axis in self.axes for group in _groups(axis)]
        if len(split) > len(self.axes):
            self._write_reshape(split, whole=True)
        self.axes = [tuple(piece for piece in axis if piece.seen) for axis in split]
        parts = [
            (place, *_range(axis))
            for place, axis in enumerate(split)
            if any(not piece.whole for piece in axis)
        ]
        if parts:
            axes, starts, ends = zip(*parts, strict=True)
            self.views.append(
                View("slice", {"axes": axes, "starts": starts, "ends": ends}, _layout(self.axes))
            )

    def reorder(self, target: Sequence[Axis]) -> None:
        place = {piece.key: index for index, piece in enumerate(_flat(target))}
        if [place[piece.key] for piece in _flat(self.axes)] == list(range(len(place))):
            return
        order = _order(self.axes, target)
        if order is None:
            runs = [run for axis in self.axes for run in _runs(axis, place)]
            if _keys(runs) != _keys(self.axes):
                self._write_reshape(runs)
                self.axes = runs
            order = sorted(range(len(runs)), key=lambda run: place[runs[run][0].key])
        self.axes = [self.axes[axis] for axis in order]
        self.views.append(View("permute", {"axes": tuple(order)}, _layout(self.axes)))

    def reshape(self, target: Sequence[Axis]) -> None:
        if _keys(self.axes) != _keys(target):
            self._write_reshape(target)

    def _write_reshape(self, axes: Sequence[Axis], *, whole: bool = False) -> None:
        layout = _layout(axes, whole=whole)
        flat = len(axes) == 2 and layout.batch_axis == 0 and layout.sizes[0] == 1
        if flat and [piece.is_batch for piece in self.axes[0]] == [True]:
            self.views.append(View("flatten", {"start_axis": 1}, layout))
        else:
            self.views.append(View("reshape", {"shape": layout.shape}, layout))


def _groups(axis: Axis) -> list[Axis]:
    """The pieces of an axis, split in front of a part that is taken of every entry of what lies before it."""
    groups: list[list[Piece]] = [[]]
    for piece in axis:
        if not piece.whole and any(before.seen for before in groups[-1]):
            groups.append([])
        groups[-1].append(piece)
    return [tuple(group) for group in groups]


def _range(axis: Axis) -> tuple[int, int]:
    """From where to where an axis is taken."""
    start, inner = 0, prod(piece.size for piece in axis)
    for piece in axis:
        inner //= piece.size
        start += piece.start * inner
    return start, start + prod(piece.count for piece in axis)


def _runs(axis: Axis, place: dict[tuple[int, ...], int]) -> list[Axis]:
    """Pieces that stay side by side."""
    runs: list[list[Piece]] = []
    for piece in axis:
        if runs and place[piece.key] == place[runs[-1][-1].key] + 1:
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return [tuple(run) for run in runs]


def _order(axes: Sequence[Axis], target: Sequence[Axis]) -> list[int] | None:
    """The order of the axes that makes the target of them, None if there is none."""
    left = dict(enumerate(_keys(axes)))
    order: list[int] = []
    for keys in _keys(target):
        axis = next((axis for axis, own in left.items() if own == keys), None)
        if axis is None:
            return None
        del left[axis]
        order.append(axis)
    return None if left else order


def _flat(axes: Sequence[Axis]) -> list[Piece]:
    return [piece for axis in axes for piece in axis]


def _keys(axes: Sequence[Axis]) -> list[tuple[tuple[int, ...], ...]]:
    return [tuple(piece.key for piece in axis) for axis in axes]


def _layout(axes: Sequence[Axis], *, whole: bool = False) -> Layout:
    """whole: before parts are taken."""
    sizes = tuple(prod(piece.size if whole else piece.count for piece in axis) for axis in axes)
    batch = next((place for place, axis in enumerate(axes) if any(piece.is_batch for piece in axis)), None)
    outer = 1
    for piece in axes[batch] if batch is not None else ():
        if piece.is_batch:
            break
        outer *= piece.size if whole else piece.count
    return Layout(sizes, batch, outer)
