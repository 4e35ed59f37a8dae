"""Tensors that a file declares without values and that nobody predicts: statistics of batch norms, and what
is not used.
"""

from __future__ import annotations

from collections.abc import Mapping

from onnx import GraphProto, ModelProto

from service.errors import InvalidArchitecture
from service.graph_io.onnx.scopes import all_nodes, graphs, named_tensors
from service.graph_io.onnx.statistics import starting_values
from service.graph_io.onnx.tensor_values import Room, has_values, set_all

_SUFFIXES = {
    "running_mean": 0.0,
    "running_var": 1.0,
    "moving_mean": 0.0,
    "moving_variance": 1.0,
    "num_batches_tracked": 0.0,
}


def complete_statistics(model: ModelProto, room: Room) -> None:
    """Give running means 0, running variances 1 and first states 0; drop unused tensors without values.

    room: for all that is made up. Raises InvalidArchitecture for any other tensor without values: they cannot
    be made up; and what `set_all` raises.
    """
    used = {name for node in all_nodes(model) for name in node.input}
    used.update(value.name for graph in graphs(model) for value in graph.output)
    for graph in graphs(model):
        _drop_unused(graph, used)
    statistics = starting_values(model)
    for name, tensor in named_tensors(model):
        if not has_values(tensor):
            set_all(tensor, _start_of(name, statistics), name, room)


def _drop_unused(graph: GraphProto, used: set[str]) -> None:
    unused = [
        index
        for index, tensor in enumerate(graph.initializer)
        if tensor.name not in used and not has_values(tensor)
    ]
    for index in reversed(unused):
        del graph.initializer[index]


def _start_of(name: str, statistics: Mapping[str, float]) -> float:
    value = statistics.get(name, _SUFFIXES.get(name.rsplit(".", 1)[-1]))
    if value is None:
        raise InvalidArchitecture(
            f"The tensor {name!r} has no values in the file and is not predicted.",
            node=name,
            hint="Only weights may be left out: send the model with the values of its constants inside "
            "the file, or fill it where its data file is.",
        )
    return value
