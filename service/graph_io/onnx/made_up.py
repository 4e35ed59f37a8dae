"""Weights that exporters make up because the ONNX operator must have some."""

from __future__ import annotations

from service.graph_io.lifting.linked import LinkedGraph
from service.graph_io.lifting.regions import only_reader
from service.graph_io.onnx.draft import Draft, Owned, unclear
from service.graph_io.onnx.tensors import Origin


def drop_made_up_weights(graph: LinkedGraph) -> None:
    """An instance norm between two reshapes is how exporters write a group norm: its ones and zeros go."""
    readers = graph.readers()
    for node in graph.nodes:
        if not isinstance(node, Draft) or node.op != "instance_norm" or node.inputs[0].op != "reshape":
            continue
        back = only_reader(readers, node)
        if back is not None and back.op == "reshape" and all(map(_made_up, node.owned)):
            node.attrs |= {} if all(owned.neutral for owned in node.owned) else unclear(node.kind)
            node.params = ()


def _made_up(owned: Owned) -> bool:
    return owned.leaf.origin is Origin.CONSTANT or not owned.leaf.named
