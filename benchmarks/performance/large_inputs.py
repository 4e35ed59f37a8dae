"""Networks with many nodes, with many parameters, and a file with many weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.graph_io.limits import DEFAULT_LIMITS

_FILE_BYTES = 10**9
_WIDTH = 5000


def deep_graph(nodes: int) -> dict[str, Any]:
    """Residual blocks of a convolution, a norm and an activation, 64 channels wide."""
    entries: list[dict[str, Any]] = [{"name": "x", "op": "input"}, _weight("stem", "conv", "x", 64, 3, 3, 3)]
    last = "stem"
    while len(entries) < nodes - 3:
        name = f"b{len(entries)}"
        scale = {"name": f"{name}.norm.weight", "shape": [64]}
        shift = {"name": f"{name}.norm.bias", "shape": [64]}
        entries += [
            _weight(name, "conv", last, 64, 64, 3, 3),
            {"name": f"{name}.norm", "op": "batch_norm", "inputs": [name],
             "params": {"weight": scale, "bias": shift}},
            {"name": f"{name}.act", "op": "activation", "inputs": [f"{name}.norm"]},
            {"name": f"{name}.sum", "op": "add", "inputs": [last, f"{name}.act"]},
        ]  # fmt: skip
        last = f"{name}.sum"
    entries += [
        {"name": "pool", "op": "global_avg_pool", "inputs": [last]},
        {"name": "flat", "op": "flatten", "inputs": ["pool"]},
        _weight("head", "linear", "flat", 10, 64),
    ]
    return {"format": "graph", "input_shape": [3, 32, 32], "nodes": entries}


def wide_graph() -> dict[str, Any]:
    """Linear layers with as many parameters as a service takes unless told otherwise."""
    entries: list[dict[str, Any]] = [{"name": "x", "op": "input"}]
    for index in range(DEFAULT_LIMITS.max_parameters // _WIDTH**2):
        last = str(entries[-1]["name"])
        entries.append(_weight(f"linear{index}", "linear", last, _WIDTH, _WIDTH))
        entries.append({"name": f"act{index}", "op": "activation", "inputs": [f"linear{index}"]})
    return {"format": "graph", "input_shape": [_WIDTH], "nodes": entries}


def _weight(name: str, op: str, source: str, *shape: int) -> dict[str, Any]:
    weight = {"name": f"{name}.weight", "shape": list(shape)}
    return {"name": name, "op": op, "inputs": [source], "params": {"weight": weight}}


def large_onnx(path: Path, layers: int = 10, width: int = 0) -> None:
    """A file of 1 GB: linear layers with their weights, all zero."""
    import onnx
    from onnx import TensorProto, helper

    width = width or int((_FILE_BYTES / 4 / layers) ** 0.5)
    nodes, weights = [], []
    for index in range(layers):
        weights.append(
            TensorProto(
                name=f"w{index}",
                data_type=TensorProto.FLOAT,
                dims=(width, width),
                raw_data=bytes(4 * width**2),
            )
        )
        nodes.append(helper.make_node("MatMul", [f"x{index}", f"w{index}"], [f"x{index + 1}"]))
    values = [
        helper.make_tensor_value_info(f"x{index}", TensorProto.FLOAT, ["batch", width])
        for index in (0, layers)
    ]
    graph = helper.make_graph(nodes, "large", values[:1], values[1:], weights)
    onnx.save_model(helper.make_model(graph), path)
