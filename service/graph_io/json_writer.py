"""An ArchGraph as a document of the open JSON format; `json_reader.read_json_graph` gives the same graph
back.
"""

from __future__ import annotations

import math
from typing import Any

from service.graph_io.archgraph import ArchGraph, AttrValue, Node, Parameter
from service.graph_io.program_json import program_document


def graph_document(graph: ArchGraph) -> dict[str, Any]:
    """A document made of JSON's own types. What is empty is left out, `nodes` and `input_shape` aside."""
    document: dict[str, Any] = {"format": "graph"}
    if graph.name:
        document["name"] = graph.name
    document["input_shape"] = list(graph.input_shape)
    document["nodes"] = [_node(node) for node in graph.nodes]
    document["outputs"] = list(graph.outputs)
    if graph.unattached:
        document["unattached"] = [{**_parameter(spare), "role": spare.role} for spare in graph.unattached]
    if graph.program is not None:
        document["program"] = program_document(graph.program)
    if graph.sample is not None:
        document["sample"] = {"output": list(graph.sample.output), "layers": dict(graph.sample.layers)}
    return document


def _node(node: Node) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": node.name, "op": node.op}
    if node.inputs:
        entry["inputs"] = list(node.inputs)
    if node.params:
        entry["params"] = {parameter.role: _parameter(parameter) for parameter in node.params}
    if node.attrs:
        entry["attrs"] = {key: _plain(value) for key, value in node.attrs.items()}
    if node.cell is not None:
        entry["cell"] = node.cell
    return entry


def _plain(value: AttrValue) -> Any:
    """JSON has no infinities: they become words, which no operator needs as numbers."""
    if isinstance(value, tuple):
        return list(value) if {*map(type, value)} == {int} else [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _parameter(parameter: Parameter) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": parameter.name, "shape": list(parameter.shape)}
    if parameter.axes is not None:
        entry["axes"] = list(parameter.axes)
    if not parameter.trainable:
        entry["trainable"] = False
    return entry
