"""A norm of parts of the channels, as exporters write it: the parts are made an axis, each is normalised by
itself, and the axes are put back.
"""

from __future__ import annotations

from service.graph_io.archgraph import AttrValue
from service.graph_io.lifting.linked import LinkedGraph, LinkedNode, marks_of
from service.graph_io.lifting.norms import learned_behind
from service.graph_io.lifting.regions import only_reader

_OF_PARTS = frozenset({"instance_norm", "layer_norm"})


def find_group_norms(graph: LinkedGraph) -> None:
    """reshape to groups, norm without scale and shift, reshape back, scale, shift: becomes one group norm."""
    norms = [node for node in graph.nodes if node.op in _OF_PARTS and not node.params]
    if not norms:
        return
    readers = graph.readers()
    for node in norms:
        if len(node.inputs) != 1:
            continue
        parts, back = node.inputs[0], only_reader(readers, node)
        if parts.op != "reshape" or back is None or back.op != "reshape":
            continue
        source, marks = parts.inputs[0], marks_of(node, parts, back)
        groups = _groups(node, source, parts, back)
        if groups is None and not marks:
            continue
        tail, params, unclear = learned_behind(back, readers, ("weight", "bias"), first=True)
        attrs: dict[str, AttrValue] = {} if groups is None else {"groups": groups}
        tail.op, tail.inputs, tail.params = "group_norm", [source], params
        tail.attrs = {"eps": node.attrs.get("eps", 1e-5), **attrs, **marks, **unclear}
    graph.prune()


def _groups(node: LinkedNode, source: LinkedNode, parts: LinkedNode, back: LinkedNode) -> int | None:
    """How many groups of channels are normalised, each as a whole; None if it is anything else."""
    before, grouped = source.shape, parts.shape
    if grouped is None or len(grouped) < 3 or grouped[1] is None:
        return None
    if node.op == "layer_norm" and node.attrs.get("axes", 1) != len(grouped) - 2:
        return None
    if before is None or len(before) < 2 or before != back.shape or before[0] != grouped[0]:
        # Where the file does not say the shapes, the nodes have a mark.
        return None if node.exact and parts.exact and back.exact else grouped[1]
    return grouped[1] if before[1] is not None and before[1] % grouped[1] == 0 else None
