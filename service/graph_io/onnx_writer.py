"""The user's own ONNX model with its weights filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from service.errors import InvalidArchitecture, LimitExceeded
from service.graph_io.limits import DEFAULT_LIMITS
from service.graph_io.onnx.external import bring_in
from service.graph_io.onnx.filling import fill_tensors
from service.graph_io.onnx.load import load
from service.graph_io.onnx.missing import complete_statistics
from service.graph_io.onnx.statistics import STATISTICS, separate_statistics
from service.graph_io.onnx.tensor_values import Room

# What protobuf can serialise.
MAX_MODEL_BYTES = 2**31 - 1
# Whoever reads files of strangers has read this one before, under limits of its own: here any that protobuf
# takes is taken, or what a service with more room has answered could not be filled.
_LIMITS = replace(DEFAULT_LIMITS, max_bytes=MAX_MODEL_BYTES, max_nodes=MAX_MODEL_BYTES)


def fill_onnx(data: bytes, tensors: Mapping[str, NDArray[Any]], folder: Path | None = None) -> bytes:
    """The model in `data` with each tensor of `tensors` as an initializer that holds its values.

    data: an ONNX file, with or without weights; tensors: {name as `read_onnx` gives it: values of the
    stored shape}; folder: where the file lies, if its external data may be read (the user's own disk; a
    service never may). The values take the type that the file declares (float32, float16, bfloat16,
    float64). Constant and ConstantOfShape nodes, sparse initializers, Identity copies of merged parameters
    and weights listed as inputs become initializers, in branches and loops too; constants of functions stay
    where all calls read them. Batch-norm statistics without values become mean 0, variance 1. Everything else
    stays as it is.

    Raises InvalidInput (no ONNX, no external data), InvalidArchitecture (a name that the model does not have,
    another shape, a quantised tensor, a constant without values, a shape that no tensor has) and
    LimitExceeded (more than 2 GiB).
    """
    model = load(data, _LIMITS)
    bring_in(model, folder, leave=tensors)
    room = Room(MAX_MODEL_BYTES)
    separate_statistics(model, tensors, room)
    return _filled(model, tensors, room)


def _filled(model: ModelProto, tensors: Mapping[str, NDArray[Any]], room: Room) -> bytes:
    total = sum(array.nbytes for array in tensors.values())
    if total > MAX_MODEL_BYTES:
        raise LimitExceeded(
            f"The weights have {total:,} bytes; an ONNX file holds {MAX_MODEL_BYTES:,} at most.",
            limit=MAX_MODEL_BYTES,
            value=total,
            hint="Ask for safetensors.",
        )
    fill_tensors(model, {name: np.asarray(values) for name, values in tensors.items()})
    complete_statistics(model, room)
    try:
        return bytes(model.SerializeToString())
    except ValueError as error:
        raise LimitExceeded(
            "The model with its weights is too large for an ONNX file.",
            limit=MAX_MODEL_BYTES,
            hint="Ask for safetensors.",
        ) from error


def fill_trained_onnx(data: bytes, tensors: Mapping[str, NDArray[Any]], folder: Path | None = None) -> bytes:
    """As `fill_onnx`, for a network that was trained: running statistics are among the tensors,
    `P.running_mean` and `P.running_var` for the batch norm with the weight `P.weight`, and go where that norm
    reads its own. Nodes that were exported for training are set to be run.

    Raises what `fill_onnx` raises; InvalidArchitecture for a batch norm that lacks its statistics.
    """
    model = load(data, _LIMITS)
    bring_in(model, folder, leave=tensors)
    statistics = tuple(STATISTICS.values())
    placed = {name: values for name, values in tensors.items() if not name.endswith(statistics)}
    room = Room(MAX_MODEL_BYTES)
    separate_statistics(model, placed, room, each=True)
    for node in model.graph.node:
        if node.op_type != "BatchNormalization":
            continue
        module = node.input[1].removesuffix("weight")
        for position, statistic in STATISTICS.items():
            values = tensors.get(f"{module}{statistic}")
            if values is None:
                raise InvalidArchitecture(
                    f"There are no statistics for the batch norm {node.name!r}.",
                    node=node.name,
                    hint="Take the weights as safetensors.",
                )
            placed[node.input[position]] = values
    _for_running(model)
    return _filled(model, placed, room)


def _for_running(model: ModelProto) -> None:
    """Nodes that were exported for training use the statistics of each batch, and drop values at random."""
    read = {name for node in model.graph.node for name in node.input}
    read.update(output.name for output in model.graph.output)
    for node in model.graph.node:
        if node.op_type == "BatchNormalization" and not read.intersection(node.output[1:]):
            for attribute in node.attribute:
                if attribute.name == "training_mode":
                    attribute.i = 0
            del node.output[1:]
        elif node.op_type == "Dropout" and len(node.input) > 2:
            del node.input[2:]
