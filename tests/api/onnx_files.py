"""Small ONNX files, good and hostile, made without weights on disk."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def _model(nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto]) -> onnx.ModelProto:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [image], [result], initializer=initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def small_model() -> onnx.ModelProto:
    """conv -> relu -> global average -> flatten -> linear."""
    weights = [
        numpy_helper.from_array(np.zeros((4, 3, 3, 3), np.float32), "conv.weight"),
        numpy_helper.from_array(np.zeros((4,), np.float32), "conv.bias"),
        numpy_helper.from_array(np.zeros((10, 4), np.float32), "fc.weight"),
        numpy_helper.from_array(np.zeros((10,), np.float32), "fc.bias"),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "conv.weight", "conv.bias"], ["a"], name="conv"),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("GlobalAveragePool", ["b"], ["c"], name="pool"),
        helper.make_node("Flatten", ["c"], ["d"], name="flatten"),
        helper.make_node("Gemm", ["d", "fc.weight", "fc.bias"], ["result"], name="fc", transB=1),
    ]
    return _model(nodes, weights)


def small_onnx() -> bytes:
    return bytes(small_model().SerializeToString(deterministic=True))


def cyclic_onnx() -> bytes:
    nodes = [
        helper.make_node("Add", ["image", "b"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="second"),
        helper.make_node("Relu", ["a"], ["result"], name="third"),
    ]
    return bytes(_model(nodes, []).SerializeToString())


def declared_onnx(shape: list[int]) -> bytes:
    """A weight that declares `shape` and holds nothing."""
    model = small_model()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    del weight.dims[:]
    weight.dims.extend(shape)
    return bytes(model.SerializeToString())


_GRAPH_TYPE = b"\xa0\x01\x05"  # field 20 of an attribute, AttributeType.GRAPH


def nested_onnx(depth: int) -> bytes:
    """An If inside an If, `depth` times. By hand: the library refuses to write what it would not read."""
    leaf = helper.make_node("Relu", ["image"], ["result"]).SerializeToString()
    graph = _field(1, leaf)
    for _ in range(depth):
        attribute = _field(1, b"then_branch") + _field(6, graph) + _GRAPH_TYPE
        node = _field(1, b"image") + _field(2, b"result") + _field(4, b"If") + _field(5, attribute)
        graph = _field(1, node)
    shell = _model([], [])
    outer = shell.graph.SerializeToString() + graph
    shell.ClearField("graph")
    return bytes(shell.SerializeToString() + _field(7, outer))


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field of protobuf's wire format."""
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def function_bomb_onnx(depth: int) -> bytes:
    """Functions that each call the next one twice: 2^depth nodes when they are inlined."""
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("bomb", 1)]
    functions = []
    for level in range(depth):
        call = f"f{level + 1}" if level + 1 < depth else "Relu"
        domain = "bomb" if level + 1 < depth else ""
        body = [
            helper.make_node(call, ["x"], ["y"], domain=domain),
            helper.make_node(call, ["y"], ["z"], domain=domain),
        ]
        functions.append(helper.make_function("bomb", f"f{level}", ["x"], ["z"], body, opset))
    model = _model([helper.make_node("f0", ["image"], ["result"], domain="bomb", name="boom")], [])
    model.opset_import.append(helper.make_opsetid("bomb", 1))
    model.functions.extend(functions)
    return bytes(model.SerializeToString())
