"""Recurrent layers: what is learned of their eight inputs, and how it may be stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from service.graph_io.onnx_reader import read_onnx
from tests.graph_io.onnx_filling import check_refilled
from tests.graph_io.onnx_models import full, ints, model, node, parameters

RANDOM = np.random.default_rng(0)
X = {"x": RANDOM.normal(size=(5, 1, 4)).astype(np.float32)}


def values(*shape: int) -> NDArray[np.float32]:
    return RANDOM.normal(0, 0.3, shape).astype(np.float32)


def lstm(
    recurrent: NodeProto,
    before: Sequence[NodeProto] = (),
    tensors: Sequence[TensorProto] = (),
    *,
    constant_head: bool = False,
) -> onnx.ModelProto:
    """The layer, and a linear one behind it, whose weight is stored or in a Constant node."""
    head = full("fc", values(8, 3))
    constant = [helper.make_node("Constant", [], ["fc"], value=head)] if constant_head else []
    tail = [node("Squeeze", ["h", "one"], "s"), node("MatMul", ["s", "fc"], "y")]
    stored = [*tensors, ints("one", 1), *([] if constant_head else [head])]
    return model([*before, *constant, recurrent, *tail], stored, shape=(5, 1, 4), output_shape=(5, 1, 3))


WEIGHTS = [full("W", values(1, 32, 4)), full("R", values(1, 32, 8)), full("B", values(1, 64))]


@pytest.mark.parametrize("name", ["val_30", "/lstm/Expand_output_0", "zeros", "expand_2"])
def test_zeros_that_a_layer_starts_from_are_no_parameters(name: str) -> None:
    layer = node("LSTM", ["x", "W", "R", "B", "", name, name], "h", hidden_size=8)
    data = lstm(layer, (), [*WEIGHTS, full(name, np.zeros((1, 1, 8)))]).SerializeToString()
    assert set(parameters(read_onnx(data))) == {"W", "R", "B", "fc"}
    other = onnx.load_model_from_string(check_refilled(data, X))
    (state,) = [tensor for tensor in other.graph.initializer if tensor.name == name]
    assert not np.frombuffer(state.raw_data, np.float32).any()


def test_a_learned_first_state_has_a_name() -> None:
    layer = node("LSTM", ["x", "W", "R", "B", "", "encoder.h0", "encoder.c0"], "h", hidden_size=8)
    states = [full("encoder.h0", values(1, 1, 8)), full("encoder.c0", values(1, 1, 8))]
    data = lstm(layer, (), [*WEIGHTS, *states]).SerializeToString()
    assert set(parameters(read_onnx(data))) == {"W", "R", "B", "fc", "encoder.h0", "encoder.c0"}
    check_refilled(data, X)


@pytest.mark.parametrize("stored_head", [False, True])
def test_weights_joined_from_constants(stored_head: bool) -> None:
    """As Paddle's and openvino's converters write them."""
    pieces = {"wi": (1, 16, 4), "wh": (1, 16, 8), "b": (1, 32)}
    shapes = {f"{name}_{half}": shape for name, shape in pieces.items() for half in "ab"}
    before = [
        *(
            helper.make_node("Constant", [], [name], value=full("", values(*shape)))
            for name, shape in shapes.items()
        ),
        node("Concat", ["wi_a", "wi_b"], "W", axis=1),
        node("Concat", ["wh_a", "wh_b"], "R", axis=1),
        node("Concat", ["b_a", "b_b"], "B", axis=1),
    ]
    data = lstm(node("LSTM", ["x", "W", "R", "B"], "h", hidden_size=8), before, constant_head=not stored_head)
    assert set(parameters(read_onnx(data.SerializeToString()))) == {*shapes, "fc"}
    check_refilled(data.SerializeToString(), X)
