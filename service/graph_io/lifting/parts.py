"""Parts of a part along other axes are one part."""

from __future__ import annotations

from service.graph_io.lifting.linked import LinkedGraph, LinkedNode, integers

_NAMES = ("axes", "starts", "ends", "steps")


def join_parts(graph: LinkedGraph) -> None:
    inner = [node for node in graph.nodes if node.op == "slice" and node.inputs[0].op == "slice"]
    for node in inner:
        own, before = _spans(node), _spans(node.inputs[0])
        # Parts of neighbours are views, which have a normal form.
        strided = any(step != 1 for _, _, step in before.values())
        if own and strided and not own.keys() & before.keys():
            node.inputs = node.inputs[0].inputs
            own |= before
            values = zip(*((axis, *own[axis]) for axis in sorted(own)), strict=True)
            node.attrs = dict(zip(_NAMES, values, strict=True))
    if inner:
        graph.prune()


def _spans(node: LinkedNode) -> dict[int, tuple[int, int, int]]:
    """Start, end and step by axis; none if the part drops some."""
    axes, starts, ends, steps = (integers(node.attrs.get(name)) for name in _NAMES)
    if not node.attrs.keys() <= {*_NAMES} or not len(axes) == len(starts) == len(ends):
        return {}
    return dict(zip(axes, zip(starts, ends, steps or (1,) * len(axes), strict=True), strict=True))
