"""The user's own ONNX model with its weights filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper

from service.errors import InvalidArchitecture, LimitExceeded
from service.graph_io.limits import DEFAULT_LIMITS
from service.graph_io.onnx.load import load
from service.graph_io.onnx.missing import complete_statistics
from service.graph_io.onnx.statistics import STATISTICS, separate_statistics
from service.graph_io.onnx.tensor_values import set_values

# What protobuf can serialise.
MAX_MODEL_BYTES = 2**31 - 1
# Whoever reads files of strangers has read this one before, under limits of its own: here any that protobuf
# takes is taken, or what a service with more room has answered could not be filled.
_LIMITS = replace(DEFAULT_LIMITS, max_bytes=MAX_MODEL_BYTES, max_nodes=MAX_MODEL_BYTES)


def fill_onnx(data: bytes, tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """The model in `data` with each tensor of `tensors` as an initializer that holds its values.

    data: an ONNX file, with or without weights; tensors: {name as `read_onnx` gives it: values of the
    stored shape}. The values take the type that the file declares (float32, float16, bfloat16, float64).
    Constant and ConstantOfShape nodes, Identity copies of merged parameters and weights listed as inputs
    become initializers. Batch-norm statistics without values become mean 0, variance 1. Everything else
    stays as it is.

    Raises InvalidInput (no ONNX), InvalidArchitecture (a name that the graph does not have, another shape,
    a quantised tensor, a constant without values) and LimitExceeded (more than 2 GiB).
    """
    model = load(data, _LIMITS)
    _remove(model.graph, separate_statistics(model.graph, tensors))
    return _filled(model, tensors)


def _filled(model: ModelProto, tensors: Mapping[str, NDArray[Any]]) -> bytes:
    total = sum(array.nbytes for array in tensors.values())
    if total > MAX_MODEL_BYTES:
        raise LimitExceeded(
            f"The weights have {total:,} bytes; an ONNX file holds {MAX_MODEL_BYTES:,} at most.",
            limit=MAX_MODEL_BYTES,
            value=total,
            hint="Ask for safetensors.",
        )
    _fill(model, tensors)
    complete_statistics(model.graph)
    try:
        return bytes(model.SerializeToString())
    except ValueError as error:
        raise LimitExceeded(
            "The model with its weights is too large for an ONNX file.",
            limit=MAX_MODEL_BYTES,
            hint="Ask for safetensors.",
        ) from error


def fill_trained_onnx(data: bytes, tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """As `fill_onnx`, for a network that was trained: running statistics are among the tensors,
    `P.running_mean` and `P.running_var` for the batch norm with the weight `P.weight`, and go where that norm
    reads its own.

    Raises what `fill_onnx` raises; InvalidArchitecture for a batch norm that lacks its statistics.
    """
    model = load(data, _LIMITS)
    statistics = tuple(STATISTICS.values())
    placed = {name: values for name, values in tensors.items() if not name.endswith(statistics)}
    _remove(model.graph, separate_statistics(model.graph, placed, each=True))
    for node in model.graph.node:
        if node.op_type != "BatchNormalization":
            continue
        module = node.input[1].removesuffix("weight")
        for position, statistic in STATISTICS.items():
            values = tensors.get(f"{module}{statistic}")
            if values is None:
                raise InvalidArchitecture(
                    f"There are no statistics for the batch norm {node.name!r}.",
                    node=node.name,
                    hint="Take the weights as safetensors.",
                )
            placed[node.input[position]] = values
    return _filled(model, placed)


def _fill(model: ModelProto, tensors: Mapping[str, NDArray[Any]]) -> None:
    graph = model.graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name in tensors}
    inputs = {value.name: value for value in graph.input}
    types = _Types(graph)
    replaced: set[int] = set()
    for name, values in tensors.items():
        array = np.asarray(values)
        tensor = initializers.get(name)
        if tensor is None:
            if name in makers:
                replaced.add(makers[name])
            elif name not in inputs:
                raise InvalidArchitecture(
                    f"The parameter {name!r} is not a tensor of the main graph and cannot be filled in.",
                    node=name,
                    hint="Inline the model's functions and subgraphs, or ask for safetensors.",
                )
            tensor = graph.initializer.add(name=name, data_type=types.of(name), dims=array.shape)
        set_values(tensor, array)
    _remove(graph, replaced)
    _settle_inputs(model, tensors, inputs)


def _remove(graph: GraphProto, positions: Iterable[int]) -> None:
    for index in sorted(positions, reverse=True):
        del graph.node[index]


def _settle_inputs(
    model: ModelProto, tensors: Mapping[str, NDArray[Any]], inputs: Mapping[str, onnx.ValueInfoProto]
) -> None:
    """From IR version 4 on an initializer that is also an input may be overridden by callers: weights are
    none of those. Before, every initializer has to be listed as an input.
    """
    graph = model.graph
    if model.ir_version >= 4:
        for name in tensors:
            if name in inputs:
                graph.input.remove(inputs[name])
        return
    for tensor in graph.initializer:
        if tensor.name not in inputs:
            value = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            graph.input.append(value)


class _Types:
    """Element types of the tensors that a graph declares."""

    def __init__(self, graph: GraphProto) -> None:
        self.declared = {
            value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input)
        }
        self.declared.update((tensor.name, tensor.data_type) for tensor in graph.initializer)
        self.makers = {name: node for node in graph.node for name in node.output}

    def of(self, name: str) -> int:
        for _ in range(len(self.makers) + 1):
            if self.declared.get(name):
                return int(self.declared[name])
            node = self.makers.get(name)
            if node is None:
                break
            if node.op_type in ("Constant", "ConstantOfShape"):
                attribute = next((a for a in node.attribute if a.name in ("value", "sparse_value")), None)
                return (
                    int(attribute.t.data_type)
                    if attribute is not None and attribute.t.data_type
                    else int(TensorProto.FLOAT)
                )
            if node.op_type != "Identity" or not node.input:
                break
            name = node.input[0]
        return int(TensorProto.FLOAT)
