"""Tensors whose values lie in a file beside the model."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from onnx import ModelProto, TensorProto
from onnx.checker import ValidationError
from onnx.external_data_helper import load_external_data_for_tensor

from service.errors import InvalidInput
from service.graph_io.onnx.scopes import named_tensors


def bring_in(model: ModelProto, folder: Path | None, *, leave: Container[str] = ()) -> None:
    """Read the external values of every tensor that is not in `leave` into the model.

    folder: of the model's file; None reads nothing. Whatever a model says, nothing outside of the folder is
    read.

    Raises InvalidInput, naming the tensor, if its values are not there.
    """
    if folder is None:
        return
    for name, tensor in named_tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL or name in leave:
            continue
        try:
            load_external_data_for_tensor(tensor, str(folder))
        except (OSError, ValueError, ValidationError) as error:
            location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
            raise InvalidInput(
                f"The values of the tensor {name!r} cannot be read from {location!r} next to it: {error}",
                node=name,
                hint="Keep the model's data file in the same folder.",
            ) from error
        # Before 1.23, onnx fills in the values and leaves the mark of those that lie elsewhere.
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
