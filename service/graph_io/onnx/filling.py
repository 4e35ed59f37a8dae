"""Values into the tensors of a model, whatever holds them and wherever they lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import FunctionProto, GraphProto, ModelProto, TensorProto, helper

from service.errors import InvalidArchitecture
from service.graph_io.onnx.scopes import constant_of_function, function_key, function_labels, graphs
from service.graph_io.onnx.tensor_values import set_values

Arrays = Mapping[str, NDArray[Any]]


def fill_tensors(model: ModelProto, tensors: Arrays) -> None:
    """Write each of `tensors` where the model has a tensor of that name.

    In graphs they become initializers, also those of branches and loops; constants of a function stay there.

    Raises InvalidArchitecture for a name that the model does not have, and what `set_values` raises.
    """
    listed = {value.name: value for value in model.graph.input}
    missing = set(tensors)
    for graph in graphs(model):
        inputs = listed if graph is model.graph else {}
        missing -= _fill_graph(graph, tensors, inputs)
    labels = function_labels(model.functions)
    for function in model.functions:
        missing -= _fill_function(function, labels[function_key(function)], tensors)
    if missing:
        name = min(missing)
        raise InvalidArchitecture(
            f"The parameter {name!r} is not a tensor of the model and cannot be filled in.",
            node=name,
            hint="Ask for safetensors, or inline the model's functions.",
        )
    _settle_inputs(model, tensors, listed)


def _fill_graph(graph: GraphProto, tensors: Arrays, inputs: Mapping[str, onnx.ValueInfoProto]) -> set[str]:
    """Returns the names that the graph itself has."""
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    sparse = {each.values.name: index for index, each in enumerate(graph.sparse_initializer)}
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name in tensors}
    types = _Types(graph)
    filled: set[str] = set()
    for name, array in tensors.items():
        tensor = initializers.get(name)
        if tensor is None and not (name in sparse or name in makers or name in inputs):
            continue
        if tensor is None:
            tensor = graph.initializer.add(name=name, data_type=types.of(name), dims=array.shape)
        set_values(tensor, array)
        filled.add(name)
    remove_nodes(graph, {makers[name] for name in filled if name in makers and name not in initializers})
    for index in sorted((sparse[name] for name in filled if name in sparse), reverse=True):
        del graph.sparse_initializer[index]
    return filled


def _fill_function(function: FunctionProto, label: str, tensors: Arrays) -> set[str]:
    filled = set()
    for node in function.node:
        name = constant_of_function(label, node)
        if name not in tensors:
            continue
        tensor = TensorProto(name=node.output[0], data_type=_constant_type(node), dims=tensors[name].shape)
        set_values(tensor, tensors[name])
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("value", tensor))
        filled.add(name)
    return filled


def remove_nodes(graph: GraphProto, positions: Iterable[int]) -> None:
    for index in sorted(positions, reverse=True):
        del graph.node[index]


def _settle_inputs(model: ModelProto, tensors: Arrays, inputs: Mapping[str, onnx.ValueInfoProto]) -> None:
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


def _constant_type(node: onnx.NodeProto) -> int:
    for attribute in node.attribute:
        if attribute.name == "value" and attribute.t.data_type:
            return int(attribute.t.data_type)
        if attribute.name == "sparse_value" and attribute.sparse_tensor.values.data_type:
            return int(attribute.sparse_tensor.values.data_type)
    return int(TensorProto.FLOAT)


class _Types:
    """Element types of the tensors that a graph declares."""

    def __init__(self, graph: GraphProto) -> None:
        self.declared = {
            value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input)
        }
        self.declared.update((tensor.name, tensor.data_type) for tensor in graph.initializer)
        self.declared.update((each.values.name, each.values.data_type) for each in graph.sparse_initializer)
        self.makers = {name: node for node in graph.node for name in node.output}

    def of(self, name: str) -> int:
        for _ in range(len(self.makers) + 1):
            if self.declared.get(name):
                return int(self.declared[name])
            node = self.makers.get(name)
            if node is None:
                break
            if node.op_type in ("Constant", "ConstantOfShape"):
                return _constant_type(node)
            if node.op_type != "Identity" or not node.input:
                break
            name = node.input[0]
        return int(TensorProto.FLOAT)
