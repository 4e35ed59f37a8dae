"""Stripping takes the weights and leaves the network."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from service.errors import InvalidInput
from service.graph_io.digest import graph_digest
from service.graph_io.onnx_reader import read_onnx
from service.graph_io.onnx_strip import strip_onnx


def network() -> onnx.ModelProto:
    """A convolution from an initializer, a linear layer from a Constant, a Reshape whose target matters."""
    rng = np.random.default_rng(0)
    kernel = numpy_helper.from_array(rng.standard_normal((64, 3, 3, 3)).astype(np.float32), "conv.weight")
    target = numpy_helper.from_array(np.array([-1, 64 * 32 * 32]), "target")
    matrix = numpy_helper.from_array(rng.standard_normal((64 * 32 * 32, 10)).astype(np.float32), "matrix")
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["c"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Reshape", ["r", "target"], ["f"], name="reshape"),
        helper.make_node("Constant", [], ["fc.weight"], value=matrix, name="constant"),
        helper.make_node("MatMul", ["f", "fc.weight"], ["y"], name="fc"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        initializer=[kernel, target],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize("as_bytes", [True, False])
def test_the_reader_sees_the_same_network(as_bytes: bool) -> None:
    model = network()
    data = model.SerializeToString()
    stripped = strip_onnx(data if as_bytes else model)
    assert len(data) > 2_000_000
    assert len(stripped) < 2_000
    assert graph_digest(read_onnx(stripped)) == graph_digest(read_onnx(data))
    assert [p.name for p in read_onnx(stripped).parameters()] == ["conv.weight", "fc.weight"]


def test_the_model_itself_is_not_changed() -> None:
    model = network()
    before = model.SerializeToString(deterministic=True)
    strip_onnx(model)
    assert model.SerializeToString(deterministic=True) == before


def test_numbers_that_say_how_the_network_computes_stay() -> None:
    stripped = onnx.ModelProto.FromString(strip_onnx(network()))
    by_name = {tensor.name: tensor for tensor in stripped.graph.initializer}
    assert numpy_helper.to_array(by_name["target"]).tolist() == [-1, 65536]
    assert not by_name["conv.weight"].raw_data
    assert list(by_name["conv.weight"].dims) == [64, 3, 3, 3]


def test_external_weights_are_forgotten() -> None:
    model = network()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    stripped = onnx.ModelProto.FromString(strip_onnx(model.SerializeToString()))
    assert not stripped.graph.initializer[0].external_data
    assert stripped.graph.initializer[0].data_location == TensorProto.DEFAULT


def test_weights_in_subgraphs_go_too() -> None:
    inner = helper.make_graph(
        [helper.make_node("Add", ["x", "bias"], ["z"])],
        "then",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        initializer=[numpy_helper.from_array(np.ones(1000, np.float32), "bias")],
    )
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)], "net", [], []
    )
    assert len(strip_onnx(helper.make_model(graph))) < 500


def test_bytes_that_are_no_model() -> None:
    with pytest.raises(InvalidInput, match="cannot be parsed"):
        strip_onnx(b"\x0a\xff\xff\xff")
