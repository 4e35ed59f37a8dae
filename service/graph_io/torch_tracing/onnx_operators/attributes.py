"""What a node of a file says, as Python values and tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from service.graph_io.torch_tracing.onnx_operators.table import NotRun


def attributes_of(node: onnx.NodeProto, opset: int) -> dict[str, Any]:
    """Attributes as Python's values, with those of their context: opset, operator, outputs (how many)."""
    values: dict[str, Any] = {"opset": opset, "operator": node.op_type, "outputs": len(node.output)}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif isinstance(value, onnx.TensorProto):
            value = tensor_of(value)
        elif isinstance(value, onnx.GraphProto | onnx.SparseTensorProto):
            raise NotRun(f"is a {node.op_type}, with a graph inside")
        values[attribute.name] = value
    return values


def tensor_of(proto: onnx.TensorProto) -> Tensor:
    array = onnx.numpy_helper.to_array(proto)
    return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape).copy())
