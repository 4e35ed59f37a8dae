"""Two parts of an axis joined in the other order are a roll, and rolls along several axes are one."""

from __future__ import annotations

from service.graph_io.attributes import APPROXIMATE
from service.graph_io.lifting.linked import LinkedGraph, LinkedNode, integers


def find_rolls(graph: LinkedGraph) -> None:
    joins = [(node, shift) for node in graph.nodes if (shift := _joined(node)) is not None]
    for node, shift in joins:
        node.inputs = node.inputs[0].inputs
        _become(node, {int(str(node.attrs["axis"])): shift})
    if joins:
        graph.prune()
    if not any(map(_shifts, graph.nodes)):
        return
    readers = graph.readers()
    for node in graph.nodes:
        shifts = _shifts(node)
        if not shifts:
            continue
        source = node.inputs[0]
        before = _shifts(source)
        if before and not before.keys() & shifts.keys() and readers[source] == [node]:
            node.inputs, shifts = source.inputs, before | shifts
            readers[source.inputs[0]] = [node]
        _become(node, shifts)
    graph.prune()


def _become(node: LinkedNode, shifts: dict[int, int]) -> None:
    """shifts: by axis."""
    dims = tuple(sorted(shifts))
    node.op = "unary"
    node.attrs = {"kind": "roll", "shifts": tuple(shifts[axis] for axis in dims), "dims": dims}


def _joined(node: LinkedNode) -> int | None:
    """How far a join of two parts rolls the axis, None if it does anything else."""
    if node.op != "concat" or len(node.inputs) != 2:
        return None
    axis = node.attrs.get("axis", 1)
    if not isinstance(axis, int):
        return None
    (first, start, stop), (second, begin, end) = (_part(part, axis) for part in node.inputs)
    size = None if first is None or first.shape is None else first.shape[axis]
    if first is not second or size is None or begin != 0 or start != end or stop != size or not start:
        return None
    return -start if 2 * start <= size else size - start


def _part(node: LinkedNode, axis: int) -> tuple[LinkedNode | None, int, int]:
    """What a node is a part of along the axis, and from where to where."""
    values = [node.attrs.get(name) for name in ("axes", "starts", "ends", "steps")]
    plain = values[0] == (axis,) and values[3] in (None, (1,))
    if node.op != "slice" or not plain or APPROXIMATE in node.attrs:
        return None, 0, 0
    start, stop = (int(value[0]) if isinstance(value, tuple) else 0 for value in values[1:3])
    return node.inputs[0], start, stop


def _shifts(node: LinkedNode) -> dict[int, int]:
    """How far each axis is rolled; none if the node is no roll."""
    if node.attrs.get("kind") != "roll":
        return {}
    shifts, dims = integers(node.attrs.get("shifts")), integers(node.attrs.get("dims"))
    known = len(shifts) == len(dims) and min(dims, default=0) >= 0
    return dict(zip(dims, shifts, strict=True)) if known else {}
