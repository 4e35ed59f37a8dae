"""The parts of a tensor that is split."""

from __future__ import annotations

from collections.abc import Iterable

from service.graph_io.onnx.op import Op
from service.graph_io.onnx.values import Value

_MOST_PARTS = 1024


def part_sizes(op: Op, values: list[Value], count: int | None) -> tuple[int, ...] | None:
    """Sizes along the axis of a Split or SplitToSequence; None where they are not known.

    count: of the parts, where the operation says it.
    """
    shape = values[0].shape
    if not shape:
        return None
    whole, is_input = shape[op.attrs.get("axis", 0) % len(shape)], len(values) > 1 and bool(op.input(1))
    sizes = op.attrs.get("split") or (values[1].ints() if is_input else None)
    if op.type == "SplitToSequence":
        if not is_input or sizes is None or whole is None:
            return None
        if values[1].shape == ():
            sizes = _even(whole, sizes[0])
        return sizes if sizes and sum(sizes) == whole and min(sizes) > 0 else None
    if not sizes and whole is not None and count:
        size = -(-whole // count)
        sizes = (*(size,) * (count - 1), whole - size * (count - 1))
    if not sizes or (count is not None and len(sizes) < count) or min(sizes) < 0:
        return None
    return tuple(sizes[:count])


def _even(whole: int, size: int) -> tuple[int, ...] | None:
    """Parts of one size, and the rest."""
    if size < 1 or whole > _MOST_PARTS * size:
        return None
    rest = whole % size
    return (size,) * (whole // size) + ((rest,) if rest else ())


def sequences_read_by_part(ops: Iterable[Op]) -> set[str]:
    """Names of the sequences from which only single parts are read."""
    made: set[str] = set()
    otherwise: set[str] = set()
    for op in ops:
        if op.type == "SplitToSequence":
            made.update(op.outputs)
        for place, name in enumerate(op.inputs):
            if op.type != "SequenceAt" or place > 0:
                otherwise.add(name)
    return made - otherwise
