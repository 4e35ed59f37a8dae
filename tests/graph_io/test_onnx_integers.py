"""Layers of quantised files: their biases are wider integers than their weights, and parameters too."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from tests.graph_io.onnx_models import bare, full, ints, node, parameters, read

INT8, INT32 = TensorProto.INT8, TensorProto.INT32
SCALES = [full(name, 0.1) for name in ("xs", "ws", "bs")]
TENSORS = [bare("w", 4, 3, 3, 3, data_type=INT8), bare("b", 4, data_type=INT32)]


def test_a_bias_that_is_dequantised_like_its_weight() -> None:
    nodes = [
        node("QuantizeLinear", ["x", "xs"], "q"),
        node("DequantizeLinear", ["q", "xs"], "d"),
        node("DequantizeLinear", ["w", "ws"], "wd"),
        node("DequantizeLinear", ["b", "bs"], "bd"),
        node("Conv", ["d", "wd", "bd"], "y"),
    ]
    assert parameters(read(nodes, [*TENSORS, *SCALES])) == {"w": (4, 3, 3, 3), "b": (4,)}


def test_a_bias_of_a_quantised_convolution() -> None:
    nodes = [
        node("QuantizeLinear", ["x", "xs", "zero"], "q"),
        node("QLinearConv", ["q", "xs", "zero", "w", "ws", "zero", "xs", "zero", "b"], "c"),
        node("DequantizeLinear", ["c", "xs"], "y"),
    ]
    tensors = [*TENSORS, *SCALES, full("zero", 0, np.int8)]
    assert parameters(read(nodes, tensors)) == {"w": (4, 3, 3, 3), "b": (4,)}


def test_other_integers_are_no_parameters() -> None:
    nodes = [
        node("Cast", ["places"], "p", to=TensorProto.INT64),
        node("Gather", ["x", "p"], "g", axis=1),
        node("Conv", ["g", "w"], "y"),
    ]
    tensors = [bare("places", 3, data_type=INT32), bare("w", 4, 3, 3, 3)]
    assert set(parameters(read(nodes, [*tensors, ints("unused", 3)]))) == {"w"}


def test_padding_before_opset_11_says_its_value_as_a_number() -> None:
    pad = helper.make_node("Pad", ["x"], ["p"], pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="constant", value=0.5)
    graph = read([pad, node("Conv", ["p", "w"], "y")], [bare("w", 4, 3, 3, 3)], opset=9, ir_version=4)
    assert [part.op for part in graph.nodes] == ["input", "pad", "conv"]
