"""What a user should know about a network before trusting its predicted weights, a sentence each."""

from __future__ import annotations

import re

from service.graph_io.archgraph import ArchGraph
from service.graph_io.operators import NORMS

EXPORT_LINE = "torch.onnx.export(model.eval(), x, file, dynamo=True, optimize=False)"
"""Keeps the normalisation layers and the names of the parameters."""

# Constants without a name of their own get one of these from PyTorch's exporters.
_MADE_NAME = re.compile(r"onnx::\w+_\d+|val_\d+|\d+|_?v_\d+|constant_?\d*")
_FEWEST_CONVOLUTIONS = 2
_LAYERS_WITH_OUTPUTS = frozenset({"linear", "conv"})


def notes_on(graph: ArchGraph, *, from_onnx: bool, classes: tuple[int, ...] = ()) -> list[str]:
    """from_onnx: whether an exporter made the graph. classes: how many each data set has that the GHN was
    trained on; () if that is not known.
    """
    notes = []
    if from_onnx and _lacks_norms(graph):
        notes.append(
            "The network has no normalisation layers: the exporter probably folded them into the "
            "convolutions. "
            f"To keep them: {EXPORT_LINE}"
        )
    made = [parameter.name for parameter in graph.parameters() if _MADE_NAME.fullmatch(parameter.name)]
    if made:
        count = f"{len(made)} names were" if len(made) > 1 else "1 name was"
        notes.append(
            f"{count} made by the exporter ({made[0]}{', ...' if len(made) > 1 else ''}), so these weights "
            f"fit no "
            f"module by name. To keep the names: {EXPORT_LINE}"
        )
    outputs = outputs_of(graph)
    if classes and outputs is not None and outputs not in classes:
        notes.append(
            f"The network has {outputs} outputs, and the GHN knows {' or '.join(map(str, classes))} classes, "
            "so the last layer repeats what it knows. Leave it out (--no-classifier, "
            "include_classifier=false) and train it."
        )
    return notes


def _lacks_norms(graph: ArchGraph) -> bool:
    convolutions = sum(node.op == "conv" for node in graph.nodes)
    return convolutions >= _FEWEST_CONVOLUTIONS and not any(node.op in NORMS for node in graph.nodes)


def outputs_of(graph: ArchGraph) -> int | None:
    """How many values the last layer answers for an input; None if no layer with weights comes last."""
    nodes = {node.name: node for node in graph.nodes}
    node = nodes.get(graph.outputs[0]) if graph.outputs else None
    while node is not None:
        weights = [parameter for parameter in node.params if parameter.role == "weight"]
        if weights:
            return weights[0].canonical_shape[0] if node.op in _LAYERS_WITH_OUTPUTS else None
        node = nodes[node.inputs[0]] if node.inputs else None
    return None
