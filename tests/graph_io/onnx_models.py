"""Small ONNX models for the tests, made node by node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from service.graph_io.archgraph import ArchGraph, Node
from service.graph_io.onnx_reader import read_onnx

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
IMAGE = (1, 3, 8, 8)


def node(
    op: str, inputs: Sequence[str], outputs: Sequence[str] | str, name: str = "", **attrs: Any
) -> NodeProto:
    made = [outputs] if isinstance(outputs, str) else list(outputs)
    return helper.make_node(op, list(inputs), made, name=name or f"{op}:{made[0]}", **attrs)


def bare(name: str, *dims: int, data_type: int = FLOAT) -> TensorProto:
    """A tensor of which the file has only the shape."""
    return TensorProto(name=name, data_type=data_type, dims=dims)


def full(name: str, values: Any, dtype: type = np.float32) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def ints(name: str, *values: int) -> TensorProto:
    return full(name, list(values), np.int64)


def model(
    nodes: Sequence[NodeProto],
    tensors: Sequence[TensorProto] = (),
    *,
    shape: Sequence[int | str] = IMAGE,
    outputs: Sequence[str] = ("y",),
    inputs: Sequence[onnx.ValueInfoProto] = (),
    functions: Sequence[onnx.FunctionProto] = (),
    opset: int = 18,
    ir_version: int = 8,
    output_shape: Sequence[int | str] | None = None,
) -> onnx.ModelProto:
    """A model with the input x of the given shape (and more `inputs`)."""
    graph = helper.make_graph(
        list(nodes),
        "net",
        [helper.make_tensor_value_info("x", FLOAT, list(shape)), *inputs],
        [helper.make_tensor_value_info(name, FLOAT, output_shape) for name in outputs],
        list(tensors),
    )
    imports = [
        helper.make_opsetid("", opset),
        helper.make_opsetid("local", 1),
        helper.make_opsetid("ai.onnx.ml", 3),
    ]
    return helper.make_model(graph, functions=list(functions), opset_imports=imports, ir_version=ir_version)


def read(nodes: Sequence[NodeProto], tensors: Sequence[TensorProto] = (), **options: Any) -> ArchGraph:
    return read_onnx(model(nodes, tensors, **options).SerializeToString())


def ops(graph: ArchGraph) -> list[str]:
    return [part.op for part in graph.nodes]


def the(graph: ArchGraph, op: str) -> Node:
    """The only node with this operator."""
    (found,) = [part for part in graph.nodes if part.op == op]
    return found


def parameters(graph: ArchGraph) -> dict[str, tuple[int, ...]]:
    return {parameter.name: parameter.shape for parameter in graph.parameters()}


def owned(part: Node) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    """{role: (name, axes)}"""
    return {parameter.role: (parameter.name, parameter.axes) for parameter in part.params}


def small_resnet(**options: Any) -> onnx.ModelProto:
    """Convolution, norm, a residual block, a classifier; only shapes of weights."""
    nodes = [
        node("Conv", ["x", "conv1.weight"], "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node(
            "BatchNormalization", ["a", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"], "b"
        ),
        node("Relu", ["b"], "c"),
        node(
            "Conv", ["c", "conv2.weight", "conv2.bias"], "d", kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=2
        ),
        node("Add", ["c", "d"], "e"),
        node("GlobalAveragePool", ["e"], "f"),
        node("Flatten", ["f"], "g"),
        node("Gemm", ["g", "fc.weight", "fc.bias"], "y", transB=1),
    ]
    tensors = [
        bare("conv1.weight", 8, 3, 3, 3),
        *(bare(f"bn1.{name}", 8) for name in ("weight", "bias", "running_mean", "running_var")),
        bare("conv2.weight", 8, 4, 3, 3),
        bare("conv2.bias", 8),
        bare("fc.weight", 10, 8),
        bare("fc.bias", 10),
    ]
    return model(nodes, tensors, output_shape=(1, 10), **options)
