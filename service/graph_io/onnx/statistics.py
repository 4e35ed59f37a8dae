"""Statistics of batch norms and first states of recurrent layers. Nobody predicts them, and exporters merge
them with parameters: the bias and the means of a fresh norm are all 0, its weight and variances all 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from service.graph_io.onnx.filling import remove_nodes
from service.graph_io.onnx.row import Fact
from service.graph_io.onnx.scopes import all_nodes, graphs, named_tensors
from service.graph_io.onnx.table import row_of
from service.graph_io.onnx.tensor_values import Room, has_values, set_all

# Inputs of a batch norm that are statistics, by position.
STATISTICS = {3: "running_mean", 4: "running_var"}


def starting_values(model: ModelProto) -> dict[str, float]:
    """{tensor name: value} for what starts at 0 or 1, also where it reaches its node by copies and parts."""
    source = {
        node.output[0]: node.input[0]
        for node in all_nodes(model)
        if row_of(node.op_type).facts & (Fact.VIEW | Fact.PART) and node.input and node.output
    }
    starts: dict[str, float] = {}
    for node in all_nodes(model):
        for index, value in row_of(node.op_type).starts.items():
            name = node.input[index] if index < len(node.input) else ""
            for _ in range(len(source) + 1):
                starts.setdefault(name, value)
                if name not in source:
                    break
                name = source[name]
    return starts


def separate_statistics(
    model: ModelProto, parameters: Mapping[str, NDArray[Any]], room: Room, *, each: bool = False
) -> None:
    """Give statistics that are one tensor with a parameter a tensor of their own, before the parameter gets
    other values. They keep the values that the file has, or get those of a fresh network.

    parameters: by name; of their values only the shape is asked. room: for all that is added. each: separate,
    too, what several norms share, so that each may get its own statistics.
    """
    stored = dict(named_tensors(model))
    readers = Counter(name for node in all_nodes(model) for name in node.input)
    for graph in graphs(model):
        _separate(graph, parameters, stored, readers, room, each=each)


def _separate(
    graph: GraphProto,
    parameters: Mapping[str, NDArray[Any]],
    stored: Mapping[str, TensorProto],
    readers: Mapping[str, int],
    room: Room,
    *,
    each: bool,
) -> None:
    makers = {node.output[0]: index for index, node in enumerate(graph.node) if node.op_type == "Identity"}
    replaced: set[int] = set()
    for node in graph.node:
        for position, value in row_of(node.op_type).starts.items():
            name = source = node.input[position] if position < len(node.input) else ""
            while source in makers and source not in parameters:
                source = graph.node[makers[source]].input[0]
            shared = each and readers[name] > 1 and source in stored
            if not name or not (source in parameters or shared):
                continue
            own = graph.initializer.add()
            if source in stored and has_values(stored[source]):
                room.take(source, (stored[source].ByteSize(),), 1)
                own.CopyFrom(stored[source])
            else:
                shape = tuple(stored[source].dims) if source in stored else parameters[source].shape
                own.dims.extend(shape)
                own.data_type = stored[source].data_type if source in stored else TensorProto.FLOAT
                set_all(own, value, source, room)
            if name in makers and name not in parameters and readers[name] == 1:
                own.name = name
                replaced.add(makers[name])
            else:
                own.name = node.input[position] = f"{node.output[0]}.{_role(node, position)}"
    remove_nodes(graph, replaced)


def _role(node: NodeProto, position: int) -> str:
    if node.op_type == "BatchNormalization":
        return STATISTICS[position]
    return "initial_h" if position == 5 else "initial_c"
