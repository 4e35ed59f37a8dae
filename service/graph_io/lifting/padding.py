"""Padding says no width of an axis that is not padded, and padding by nothing is left out."""

from __future__ import annotations

from service.graph_io.attributes import APPROXIMATE
from service.graph_io.lifting.linked import LinkedGraph, LinkedNode


def trim_padding(graph: LinkedGraph) -> None:
    replacements: dict[LinkedNode, LinkedNode] = {}
    for node in graph.nodes:
        pads = node.attrs.get("pads")
        if node.op != "pad" or not isinstance(pads, tuple) or APPROXIMATE in node.attrs:
            continue
        if not any(pads):
            replacements[node] = replacements.get(node.inputs[0], node.inputs[0])
        elif node.attrs.get("mode", "constant") == "constant":
            # The last axis comes first; other ways of padding are told by the number of widths.
            while not any(pads[-2:]):
                pads = pads[:-2]
            node.attrs["pads"] = pads
    graph.replace(replacements)
