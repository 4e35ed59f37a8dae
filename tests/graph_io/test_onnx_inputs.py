"""What comes in from outside where a weight might stand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper

from service.graph_io.archgraph import ArchGraph
from service.graph_io.onnx_reader import read_onnx
from tests.graph_io.onnx_filling import check_refilled
from tests.graph_io.onnx_models import FLOAT, bare, full, ints, model, node, parameters

RANDOM = np.random.default_rng(0)


def inputs_of(graph: ArchGraph) -> set[str]:
    return {part.name for part in graph.nodes if part.op == "input"}


def streaming(batch: int | str) -> onnx.ModelProto:
    """An LSTM whose states the caller keeps."""
    value = helper.make_tensor_value_info
    states = [value(name, FLOAT, [1, batch, 8]) for name in ("h0", "c0")]
    nodes = [
        node("LSTM", ["x", "W", "R", "B", "", "h0", "c0"], ["h", "h1", "c1"], hidden_size=8),
        node("Squeeze", ["h", "one"], "s"),
        node("MatMul", ["s", "fc"], "y"),
    ]
    shapes = {"W": (1, 32, 4), "R": (1, 32, 8), "B": (1, 64), "fc": (8, 3)}
    tensors = [full(name, RANDOM.normal(0, 0.3, shape)) for name, shape in shapes.items()]
    proto = model(
        nodes,
        [*tensors, ints("one", 1)],
        shape=(5, batch, 4),
        inputs=states,
        output_shape=(5, batch, 3),
    )
    proto.graph.output.extend(value(name, FLOAT, [1, batch, 8]) for name in ("h1", "c1"))
    return proto


@pytest.mark.parametrize("batch", [1, "n"])
def test_states_stay_inputs(batch: int | str) -> None:
    data = streaming(batch).SerializeToString()
    graph = read_onnx(data)
    assert set(parameters(graph)) == {"W", "R", "B", "fc"} and inputs_of(graph) == {"x", "h0", "c0"}
    feeds = {name: RANDOM.normal(size=(1, 1, 8)).astype(np.float32) for name in ("h0", "c0")}
    filled = check_refilled(data, {"x": RANDOM.normal(size=(5, 1, 4)).astype(np.float32), **feeds})
    assert [each.name for each in onnx.load_model_from_string(filled).graph.input] == ["x", "h0", "c0"]


W = bare("w", 8, 8)
CASES: dict[str, tuple[Sequence[NodeProto], Sequence[TensorProto], dict[str, list[int]]]] = {
    "keys and values": (
        [
            node("MatMul", ["x", "w"], "q"),
            node("MatMul", ["q", "keys"], "s"),
            node("Softmax", ["s"], "p"),
            node("MatMul", ["p", "values"], "y"),
        ],
        [W],
        {"keys": [1, 8, 6], "values": [1, 6, 8]},
    ),
    "features behind an adjacency": (
        [node("MatMul", ["x", "features"], "a"), node("MatMul", ["a", "w"], "y")],
        [W],
        {"features": [8, 8]},
    ),
    "the kernel of a template": (
        [
            node("Conv", ["x", "k"], "a"),
            node("Conv", ["template", "k"], "t"),
            node("Conv", ["a", "t"], "y"),
        ],
        [bare("k", 4, 8, 1, 1)],
        {"template": [1, 8, 2, 2]},
    ),
    "a kernel as it comes": (
        [node("Conv", ["x", "k"], "a"), node("Conv", ["a", "template"], "y")],
        [bare("k", 4, 8, 1, 1)],
        {"template": [2, 4, 3, 3]},
    ),
    "a scale and a shift": (
        [
            node("Conv", ["x", "k"], "a"),
            node("InstanceNormalization", ["a", "style", "shift"], "y"),
        ],
        [bare("k", 4, 8, 1, 1)],
        {"style": [4], "shift": [4]},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_stores_its_weights_lists_no_others_as_inputs(name: str) -> None:
    nodes, tensors, others = CASES[name]
    shape = (1, 8, 8, 8) if any(tensor.name == "k" for tensor in tensors) else (1, 8, 8)
    more = [helper.make_tensor_value_info(key, FLOAT, dims) for key, dims in others.items()]
    graph = read_onnx(model(nodes, tensors, shape=shape, inputs=more).SerializeToString())
    assert set(parameters(graph)) == {tensor.name for tensor in tensors}
    assert inputs_of(graph) == {"x", *others}


def test_a_weight_with_a_module_s_name_may_be_an_input_beside_stored_ones() -> None:
    nodes = [node("Conv", ["x", "w"], "a"), node("Conv", ["a", "head.weight"], "y")]
    more = [helper.make_tensor_value_info("head.weight", FLOAT, [2, 4, 1, 1])]
    graph = read_onnx(model(nodes, [bare("w", 4, 3, 1, 1)], inputs=more).SerializeToString())
    assert set(parameters(graph)) == {"w", "head.weight"} and inputs_of(graph) == {"x"}


def test_an_input_without_a_fixed_shape_is_no_weight() -> None:
    nodes = [node("Conv", ["x", "w"], "a"), node("Conv", ["a", "k"], "y")]
    more = [
        helper.make_tensor_value_info("w", FLOAT, [4, 3, 1, 1]),
        helper.make_tensor_value_info("k", FLOAT, ["n", 4, 3, 3]),
    ]
    graph = read_onnx(model(nodes, inputs=more).SerializeToString())
    assert set(parameters(graph)) == {"w"} and inputs_of(graph) == {"x", "k"}
