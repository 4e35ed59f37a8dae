"""Tensors that a file declares without values and that nobody predicts: statistics of batch norms, and what
is not used.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from math import prod

import numpy as np
from onnx import GraphProto, TensorProto, helper

from service.errors import InvalidArchitecture
from service.graph_io.onnx.slots import STARTING_VALUES

# Data fields of a TensorProto besides raw_data.
_TYPED = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
_PASSING = frozenset({"Identity", "Slice", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Expand"})
_SUFFIXES = {
    "running_mean": 0.0,
    "running_var": 1.0,
    "moving_mean": 0.0,
    "moving_variance": 1.0,
    "num_batches_tracked": 0.0,
}


def has_values(tensor: TensorProto) -> bool:
    if tensor.data_location == TensorProto.EXTERNAL:
        return False
    return (
        prod(tensor.dims) == 0
        or bool(tensor.raw_data)
        or any(len(getattr(tensor, field)) for field in _TYPED)
    )


def complete_statistics(graph: GraphProto) -> None:
    """Give running means 0, running variances 1 and first states 0; drop unused tensors without values.

    Raises InvalidArchitecture for any other tensor without values: they cannot be made up.
    """
    statistics = _statistics(graph)
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


def separate_statistics(graph: GraphProto, parameters: Container[str]) -> set[int]:
    """Give statistics that exporters merged with an equal parameter (a fresh norm's variance and weight are
    both 1) a tensor of their own, before the parameter gets other values. Returns the positions of the
    Identity nodes that did the merging.
    """
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    copies = {
        node.output[0]: (index, node.input[0])
        for index, node in enumerate(graph.node)
        if node.op_type == "Identity" and len(node.input) == len(node.output) == 1
    }
    separated: set[int] = set()
    for name, value in _statistics(graph).items():
        if name not in copies or name in parameters:
            continue
        index, source = copies[name]
        tensor = initializers.get(source)
        if tensor is None or source not in parameters:
            continue
        own = graph.initializer.add(name=name, data_type=tensor.data_type, dims=tensor.dims)
        if has_values(tensor):
            own.CopyFrom(tensor)
            own.name = name
        else:
            set_values(own, np.full(tuple(tensor.dims), value, dtype=np.float32))
        separated.add(index)
    return separated


def _statistics(graph: GraphProto) -> dict[str, float]:
    """{tensor name: value} for what starts at 0 or 1, also where it reaches its node by copies and parts."""
    source = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type in _PASSING and node.input and node.output
    }
    found: dict[str, float] = {}
    for node in graph.node:
        for index, value in STARTING_VALUES.get(node.op_type, {}).items():
            name = node.input[index] if index < len(node.input) else ""
            for _ in range(len(source) + 1):
                found.setdefault(name, value)
                if name not in source:
                    break
                name = source[name]
    return found


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


def set_values(tensor: TensorProto, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    """Store values as raw data in the tensor's own type; whatever it had before goes.

    Raises InvalidArchitecture for a type that is not floating point (quantised weights), and for a shape
    that differs.
    """
    floating = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    integers = (TensorProto.INT64, TensorProto.INT32)
    if tensor.data_type not in floating and tensor.data_type not in integers:
        raise InvalidArchitecture(
            f"The tensor {tensor.name!r} is stored as {TensorProto.DataType.Name(tensor.data_type)}; "
            "predicted weights are real numbers.",
            node=tensor.name,
            hint="Send the network before quantisation.",
        )
    if tuple(tensor.dims) != values.shape:
        raise InvalidArchitecture(
            f"The tensor {tensor.name!r} has the shape {list(tensor.dims)} in the file, "
            f"its values {list(values.shape)}.",
            node=tensor.name,
        )
    for field in ("raw_data", "external_data", "data_location", *_TYPED):
        tensor.ClearField(field)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    tensor.raw_data = np.ascontiguousarray(values.astype(dtype, copy=False)).tobytes()
