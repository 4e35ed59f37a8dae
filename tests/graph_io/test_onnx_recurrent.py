"""Recurrent layers: what is learned of their eight inputs, and how it may be stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

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
    **options: Any,
) -> onnx.ModelProto:
    nodes = [*before, recurrent, node("Squeeze", ["h", "one"], "s"), node("MatMul", ["s", "fc"], "y")]
    stored = [*tensors, full("fc", values(8, 3)), ints("one", 1)]
    return model(nodes, stored, shape=(5, 1, 4), output_shape=(5, 1, 3), **options)


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
