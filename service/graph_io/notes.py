"""What a user should know about a network before trusting its predicted weights, a sentence each."""

from __future__ import annotations

import re
from collections.abc import Collection

from service.graph_io.archgraph import ArchGraph
from service.graph_io.operators import NORMS

EXPORT_LINE = "torch.onnx.export(model.eval(), x, file, dynamo=True, optimize=False)"
"""Keeps the normalisation layers and the names of the parameters."""

# Constants without a name of their own get one of these from PyTorch's exporters.
_MADE_NAME = re.compile(r"onnx::\w+_\d+|val_\d+|\d+|_?v_\d+|constant_?\d*")
_FEWEST_CONVOLUTIONS = 2


def notes_on(
    graph: ArchGraph, *, from_onnx: bool, classifiers: Collection[int] = (), classes: Collection[int] = ()
) -> list[str]:
    """from_onnx: whether an exporter made the graph. classifiers: how many classes each predicted last layer
    tells apart. classes: how many each data set has that the GHN was trained on.
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
    known, most = " or ".join(map(str, classes)), max(classes, default=0)
    notes.extend(
        f"The network has {outputs} output{'s' if outputs != 1 else ''}, and the GHN knows {known} classes, "
        f"so the last layer {'repeats' if outputs > most else 'has a part of'} what it knows. "
        "Leave it out (--no-classifier, include_classifier=false) and train it."
        for outputs in sorted({*classifiers} - {*classes})
    )
    return notes


def _lacks_norms(graph: ArchGraph) -> bool:
    convolutions = sum(node.op == "conv" for node in graph.nodes)
    return convolutions >= _FEWEST_CONVOLUTIONS and not any(node.op in NORMS for node in graph.nodes)
