"""Parameters of a single number: temperatures, gains, and biases of layers with one output."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from service.graph_io.attributes import APPROXIMATE
from service.graph_io.onnx_reader import read_onnx
from tests.graph_io.onnx_models import FLOAT, bare, full, model, node, parameters, read


def test_the_output_bias_of_a_binary_classifier() -> None:
    """scikit-learn's MLP."""
    nodes = [
        node("MatMul", ["x", "coefficient"], "a"),
        node("Add", ["a", "intercepts"], "b"),
        node("Relu", ["b"], "c"),
        node("MatMul", ["c", "coefficient1"], "d"),
        node("Add", ["d", "intercepts1"], "y"),
    ]
    tensors = [bare("coefficient", 5, 8), bare("intercepts", 1, 8), bare("coefficient1", 8, 1)]
    graph = read(nodes, [*tensors, full("intercepts1", [[0.5]])], shape=(2, 5))
    assert set(parameters(graph)) == {"coefficient", "intercepts", "coefficient1", "intercepts1"}
    assert [part.op for part in graph.nodes] == ["input", "linear", "activation", "linear"]


def scaled(name: str) -> onnx.ModelProto:
    nodes = [node("MatMul", ["x", "fc.weight"], "a"), node("Mul", ["a", name], "y")]
    return model(nodes, [bare("fc.weight", 5, 4), full(name, 1.5)], shape=(2, 5))


def test_a_temperature_that_is_called_a_parameter() -> None:
    proto = scaled("t")
    for name in ("fc.weight", "t"):
        info = proto.graph.value_info.add(name=name)
        info.metadata_props.add(key="pkg.torch.export.graph_signature.InputSpec.kind", value="PARAMETER")
    assert set(parameters(read_onnx(proto.SerializeToString()))) == {"fc.weight", "t"}


@pytest.mark.parametrize(("producer", "kept"), [("pytorch", True), ("", False)])
def test_a_temperature_of_the_outermost_module(producer: str, kept: bool) -> None:
    """PyTorch's exporters give no names to constants; of others one cannot know."""
    proto = scaled("t")
    proto.producer_name = producer
    assert ("t" in parameters(read_onnx(proto.SerializeToString()))) == kept


@pytest.mark.parametrize("name", ["/Constant_output_0", "val_3", "scalar_tensor", "7"])
def test_numbers_without_a_name_are_constants(name: str) -> None:
    proto = scaled(name)
    proto.producer_name = "pytorch"
    assert set(parameters(read_onnx(proto.SerializeToString()))) == {"fc.weight"}


def test_biases_of_single_channels_inside_branches() -> None:
    value = helper.make_tensor_value_info

    def branch(k: int) -> onnx.GraphProto:
        constant = helper.make_node("Constant", [], [f"b{k}"], value=full("", [0.5]))
        conv = node("Conv", ["x", f"w{k}", f"b{k}"], f"y{k}")
        made = [constant, conv] if k == 2 else [conv]
        return helper.make_graph(made, "branch", [], [value(f"y{k}", FLOAT, None)])

    nodes = [
        node("ReduceMax", ["x"], "m", keepdims=0),
        node("Cast", ["m"], "c", to=TensorProto.BOOL),
        helper.make_node("If", ["c"], ["y"], then_branch=branch(1), else_branch=branch(2)),
    ]
    tensors = [bare("w1", 1, 3, 3, 3), full("b1", [0.5]), bare("w2", 1, 3, 3, 3)]
    assert set(parameters(read(nodes, tensors))) == {"w1", "b1", "w2", "b2"}


def test_a_factor_of_one_says_nothing_unless_it_is_a_parameter() -> None:
    """torch's addcmul multiplies its factor into one of the two first."""
    nodes = [
        node("Constant", [], "one", value=full("", [1.0])),
        node("Mul", ["one", "block.gain"], "g"),
        node("Mul", ["x", "g"], "y"),
    ]
    graph = read(nodes, [bare("block.gain", 1, 3, 1, 1)])
    (gain,) = (part for part in graph.nodes if part.params)
    assert APPROXIMATE not in gain.attrs and set(parameters(graph)) == {"block.gain"}
    learned = [node("Mul", ["block.scale", "block.gain"], "g"), nodes[-1]]
    graph = read(learned, [full("block.scale", [1.0]), bare("block.gain", 1, 3, 1, 1)])
    assert all(APPROXIMATE in part.attrs for part in graph.nodes if part.params)
