"""Tensors that a file declares without values and that nobody predicts: statistics of batch norms, and what
is not used.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import GraphProto, TensorProto

from service.errors import InvalidArchitecture
from service.graph_io.onnx.statistics import starting_values
from service.graph_io.onnx.tensor_values import has_values, set_values

_SUFFIXES = {
    "running_mean": 0.0,
    "running_var": 1.0,
    "moving_mean": 0.0,
    "moving_variance": 1.0,
    "num_batches_tracked": 0.0,
}


def complete_statistics(graph: GraphProto) -> None:
    """Give running means 0, running variances 1 and first states 0; drop unused tensors without values.

    Raises InvalidArchitecture for any other tensor without values: they cannot be made up.
    """
    statistics = starting_values(graph)
    used = _used_names(graph)
    unused: list[int] = []
    for index, tensor in enumerate(graph.initializer):
        if has_values(tensor):
            continue
        if tensor.name in used:
            _make_up(tensor, tensor.name, statistics)
        else:
            unused.append(index)
    for index in reversed(unused):
        del graph.initializer[index]
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value" and not has_values(attribute.t):
                    _make_up(attribute.t, node.output[0], statistics)


def _make_up(tensor: TensorProto, name: str, statistics: Mapping[str, float]) -> None:
    value = statistics.get(name, _SUFFIXES.get(name.rsplit(".", 1)[-1]))
    if value is None:
        raise InvalidArchitecture(
            f"The tensor {name!r} has no values in the file and is not predicted.",
            node=name,
            hint="Send the model with the values of its constants; only weights may be left out.",
        )
    set_values(tensor, np.full(tuple(tensor.dims), value, dtype=np.float32))


def _used_names(graph: GraphProto) -> set[str]:
    used = {value.name for value in graph.output}
    stack = list(graph.node)
    while stack:
        node = stack.pop()
        used.update(node.input)
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                stack.extend(inner.node)
                used.update(value.name for value in inner.output)
    return used
