"""A proof that filling touches nothing but parameters: a file that gets other weights, and then its own
again, computes what it computed before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from service.graph_io.onnx.scopes import named_tensors
from service.graph_io.onnx_reader import read_onnx
from service.graph_io.onnx_strip import strip_onnx
from service.graph_io.onnx_writer import fill_onnx

Arrays = dict[str, NDArray[Any]]


def own_weights(data: bytes) -> Arrays:
    """{parameter: its values in the file}. The stripped file must have the same parameters."""
    proto = onnx.load_model_from_string(data)
    tensors = dict(named_tensors(proto))
    renamed = {part.output[0]: part.input[0] for part in proto.graph.node if part.op_type == "Identity"}
    names = [parameter.name for parameter in read_onnx(data).parameters()]
    assert names == [parameter.name for parameter in read_onnx(strip_onnx(data)).parameters()]
    return {name: numpy_helper.to_array(tensors[renamed.get(name, name)]) for name in names}


def outputs(data: bytes, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    onnx.checker.check_model(onnx.load_model_from_string(data))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return [np.asarray(result) for result in session.run(None, dict(feeds))]


def check_refilled(data: bytes, feeds: Mapping[str, NDArray[Any]]) -> bytes:
    """Fill the file with other weights and with its own again, and compare what it computes from `feeds`.
    Returns the file with other weights, of which at least one output must differ.
    """
    weights = own_weights(data)
    generator = np.random.default_rng(7)
    others = {
        name: generator.normal(0, 0.3, values.shape).astype(values.dtype) for name, values in weights.items()
    }
    other = fill_onnx(data, others)
    expected, changed = outputs(data, feeds), outputs(other, feeds)
    assert any(not np.allclose(a, b) for a, b in zip(expected, changed, strict=True))
    for a, b in zip(expected, outputs(fill_onnx(other, weights), feeds), strict=True):
        np.testing.assert_array_equal(a, b)
    return other
