"""Where the batch is: which axis of each result grows with it, and the sizes of one sample.

A batch that the tracer chose is a large prime, and tells by itself. Exporters are given a batch of one, which
does not; there the axis is followed from the input through the nodes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import prod

from service.graph_io.lifting.linked import Layout, LinkedGraph, LinkedNode

# A batch of this size or more is one that the tracer chose, and no size of the network's own is a multiple.
TELLING = 50
_VIEWS = frozenset({"reshape", "flatten"})


def locate_batch(graph: LinkedGraph) -> None:
    """Give every node its layout, where it can be told."""
    for node in graph.nodes:
        layout = _layout(node, graph.batch)
        outer = 1 if layout is None else _outer(node, layout)
        node.layout = layout if layout is None or outer == 1 else replace(layout, outer=outer)


def _outer(node: LinkedNode, layout: Layout) -> int:
    """What lies before the batch on its axis."""
    if layout.batch_axis is None:
        return 1
    layouts = (source.layout for source in node.inputs)
    before = next((source for source in layouts if source and source.batch_axis is not None), None)
    if before is None:
        return 1
    size = layout.sizes[layout.batch_axis]
    if node.op in _VIEWS:
        outer, rest = divmod(before.before_batch, prod(layout.sizes[: layout.batch_axis]))
        return 1 if rest or not outer or size % outer else outer
    assert before.batch_axis is not None
    return before.outer if before.sizes[before.batch_axis] == size else 1


def _layout(node: LinkedNode, batch: int | None) -> Layout | None:
    if node.shape is None or (node.op != "input" and any(map(_may_hide_batch, node.inputs))):
        return None
    if batch is not None and batch >= TELLING:
        return _by_size(node.shape, batch)
    if node.op == "input":
        axis: int | None = 0
    elif all(source.layout is None or source.layout.batch_axis is None for source in node.inputs):
        axis = None
    elif node.op in _VIEWS:
        return _of_view(node, batch)
    else:
        axis = _followed(node)
    return _taken_out(node, axis, batch)


def _may_hide_batch(source: LinkedNode) -> bool:
    """Whether it is not known where a result has the batch: what reads nothing has none."""
    return source.layout is None and bool(source.inputs or source.op == "input")


# Networks have many results of one shape.
@lru_cache(maxsize=4096)
def _by_size(shape: tuple[int | None, ...], batch: int) -> Layout | None:
    sizes = tuple(0 if size is None else size for size in shape)
    growing = [axis for axis, size in enumerate(sizes) if size % batch == 0]
    if 0 in sizes or len(growing) > 1:
        return None
    axis = growing[0] if growing else None
    return Layout(tuple(size // batch if a == axis else size for a, size in enumerate(sizes)), axis)


def _taken_out(node: LinkedNode, axis: int | None, batch: int | None) -> Layout | None:
    """The layout of a result whose batch axis is known."""
    shape = node.shape or ()
    if axis is not None and not 0 <= axis < len(shape):
        return None
    sizes: list[int] = []
    for place, size in enumerate(shape):
        if place == axis:
            before = [s.layout.sizes for s in node.inputs if s.layout and s.layout.batch_axis is not None]
            one = 1 if not before or len(before[0]) != len(shape) else before[0][place]
            size = one if size is None or batch is None or size % batch else size // batch
        if not size:
            return None
        sizes.append(size)
    return Layout(tuple(sizes), axis)


def _of_view(node: LinkedNode, batch: int | None) -> Layout | None:
    before = node.inputs[0].layout
    assert before is not None and before.batch_axis is not None
    total, shape = prod(before.sizes), node.shape or ()
    candidates = []
    for axis in range(len(shape)):
        others = [size for place, size in enumerate(shape) if place != axis]
        known = [size for size in others if size]
        if len(known) < len(others) or total % prod(known):
            continue
        sizes = (*known[:axis], total // prod(known), *known[axis:])
        if batch is not None and shape[axis] not in (None, sizes[axis] * batch):
            continue
        candidates.append(Layout(sizes, axis))
    fitting = [layout for layout in candidates if _keeps_order(before, layout)]
    return min(fitting, key=lambda layout: _unlikely(before, layout), default=None)


def _keeps_order(before: Layout, after: Layout) -> bool:
    """Whether the batch lies between the same numbers of a sample in both."""
    assert after.batch_axis is not None
    start = prod(after.sizes[: after.batch_axis])
    outer, rest = divmod(before.before_batch, start)
    return not rest and outer > 0 and after.sizes[after.batch_axis] % outer == 0


def _unlikely(before: Layout, after: Layout) -> tuple[bool, bool, bool, int]:
    """Of several places for the batch: an axis of its own, else in front of others, but not the last axis,
    which holds what layers see.
    """
    assert after.batch_axis is not None
    last = after.batch_axis == len(after.sizes) - 1 and len(after.sizes) > 1
    front = prod(after.sizes[: after.batch_axis]) == before.before_batch
    return last, after.sizes[after.batch_axis] != 1, not front, after.batch_axis


def _followed(node: LinkedNode) -> int:
    """The axis behind an operator that is no reshape."""
    source = next(s for s in node.inputs if s.layout is not None and s.layout.batch_axis is not None)
    assert source.layout is not None and source.layout.batch_axis is not None
    axis, before, after = source.layout.batch_axis, len(source.layout.sizes), len(node.shape or ())
    axes = node.attrs.get("axes")
    if node.op == "permute" and isinstance(axes, tuple) and axis in axes:
        return axes.index(axis)
    if node.op == "slice":
        dropped = node.attrs.get("dropped")
        return axis - sum(int(place) < axis for place in dropped) if isinstance(dropped, tuple) else axis
    if after < before and isinstance(axes, tuple):
        # A reduction that drops its axes.
        return axis - sum(int(place) % before < axis for place in axes)
    if node.attrs.get("kind") == "stack":
        return axis + (int(str(node.attrs.get("axis", 0))) <= axis)
    if after >= before:
        # Broadcasting adds axes in front.
        return axis + after - before
    return 0
