"""Values of stored tensors: whether a file has them, and writing others."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from onnx import TensorProto, helper

from service.errors import InvalidArchitecture, LimitExceeded

_BYTES_OF_A_START = 8  # the widest number format that values are written in

# Data fields of a TensorProto besides raw_data.
_TYPED = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")


class Room:
    """Bytes that values which are made up may still take: a file of a few bytes may declare any shape, any
    number of times.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._left = max_bytes

    def take(self, name: str, shape: Sequence[int], item_bytes: int) -> None:
        """Room for a tensor. Raises InvalidArchitecture for a shape that no tensor has, and LimitExceeded if
        there is no room.
        """
        if any(size < 0 for size in shape):
            raise InvalidArchitecture(
                f"The tensor {name!r} has the impossible shape {list(shape)}.", node=name
            )
        self._left -= prod(shape) * item_bytes
        if self._left < 0:
            raise LimitExceeded(
                f"With the tensor {name!r} of the shape {list(shape)}, the model has more than "
                f"{self.max_bytes:,} bytes.",
                node=name,
                limit=self.max_bytes,
                hint="Ask for safetensors.",
            )


def has_values(tensor: TensorProto) -> bool:
    if tensor.data_location == TensorProto.EXTERNAL:
        return False
    return (
        prod(tensor.dims) == 0
        or bool(tensor.raw_data)
        or any(len(getattr(tensor, field)) for field in _TYPED)
    )


def set_all(tensor: TensorProto, value: float, name: str, room: Room) -> None:
    """Give every entry this value. Raises what `Room.take` and `set_values` raise."""
    shape = tuple(tensor.dims)
    room.take(name, shape, _BYTES_OF_A_START)
    set_values(tensor, np.full(shape, value, dtype=np.float32))


def set_values(tensor: TensorProto, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    """Store values as raw data in the tensor's own type; whatever it had before goes.

    Raises InvalidArchitecture for a type that is not floating point (quantised weights), and for a shape
    that differs.
    """
    floating = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    integers = (TensorProto.INT64, TensorProto.INT32)
    if tensor.data_type not in floating and tensor.data_type not in integers:
        raise InvalidArchitecture(
            f"The tensor {tensor.name!r} is stored as {TensorProto.DataType.Name(tensor.data_type)}; "
            "predicted weights are real numbers.",
            node=tensor.name,
            hint="Send the network before quantisation.",
        )
    if tuple(tensor.dims) != values.shape:
        raise InvalidArchitecture(
            f"The tensor {tensor.name!r} has the shape {list(tensor.dims)} in the file, "
            f"its values {list(values.shape)}.",
            node=tensor.name,
        )
    for field in ("raw_data", "external_data", "data_location", *_TYPED):
        tensor.ClearField(field)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    tensor.raw_data = np.ascontiguousarray(values.astype(dtype, copy=False)).tobytes()
